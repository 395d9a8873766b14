"""An application whose saves are told to webhooks."""
