"""Addresses below /api/v1/ that are about webhooks. A slash at the end is optional."""

from __future__ import annotations

from django.urls import re_path

from webhooks.api.sending_addresses import SendingAddresses

urlpatterns = [re_path(r"^sending-addresses/?$", SendingAddresses.as_view(), name="sending_addresses")]
