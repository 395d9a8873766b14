"""Addresses below /api/v1/ that are about webhooks. A slash at the end is optional."""

from __future__ import annotations

from django.urls import re_path

from webhooks.api.sending_addresses import SendingAddresses
from webhooks.api.webhooks import OneWebhook, Webhooks

urlpatterns = [
    re_path(r"^sending-addresses/?$", SendingAddresses.as_view(), name="sending_addresses"),
    re_path(r"^webhooks/?$", Webhooks.as_view(), name="webhooks"),
    re_path(r"^webhooks/(?P<pk>[^/]+)/?$", OneWebhook.as_view(), name="webhook"),
]
