from webhooks.admin import automation, delivery, inbound, inbox, lead_panels, receipt, webhook

__all__ = ["automation", "delivery", "inbound", "inbox", "lead_panels", "receipt", "webhook"]
