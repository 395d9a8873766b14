from webhooks.admin import automation, delivery, inbox, lead_panels, webhook

__all__ = ["automation", "delivery", "inbox", "lead_panels", "webhook"]
