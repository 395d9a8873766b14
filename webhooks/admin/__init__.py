from webhooks.admin import delivery, inbox, lead_panels, webhook

__all__ = ["delivery", "inbox", "lead_panels", "webhook"]
