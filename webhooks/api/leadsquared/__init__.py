"""/v2/Webhook.svc: LeadSquared's own API of webhooks. A program written for it needs another host and other keys only.

Their names in and out (words.py), their keys and pace (keys.py), their errors (errors.py); what a webhook must be is
judged where our own API and the form have it judged.
"""
