from django.conf import settings
from django.urls import reverse

from webhooks.models import Webhook


def address(webhook: Webhook) -> str:
    """The URL at which the inbox receives what is sent for this webhook."""
    return f"{settings.SITE_URL}{reverse('inbox', args=[webhook.pk])}"
