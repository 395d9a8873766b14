"""Addresses below /api/v1/ that are about webhooks. A slash at the end is optional."""

from __future__ import annotations

from django.urls import re_path

from webhooks.api.automations import Automations, OneAutomation, Rehearse
from webhooks.api.inbound_webhooks import InboundWebhooks, OneInboundWebhook, RotateInboundSecret
from webhooks.api.receipts import OneReceipt, ProcessReceipt, ProcessRefused, Receipts
from webhooks.api.sending_addresses import SendingAddresses
from webhooks.api.webhook_actions import Disable, Enable, Pause, RotateSecret, SendTest, SwitchSecret
from webhooks.api.webhook_events import WebhookEvents
from webhooks.api.webhooks import OneWebhook, Webhooks

urlpatterns = [
    re_path(r"^automations/?$", Automations.as_view(), name="automations"),
    re_path(r"^automations/(?P<pk>[^/]+)/rehearse/?$", Rehearse.as_view(), name="rehearse"),
    re_path(r"^automations/(?P<pk>[^/]+)/?$", OneAutomation.as_view(), name="automation"),
    re_path(r"^inbound-webhooks/?$", InboundWebhooks.as_view(), name="inbound_webhooks"),
    re_path(r"^inbound-webhooks/(?P<pk>[^/]+)/?$", OneInboundWebhook.as_view(), name="inbound_webhook"),
    re_path(
        r"^inbound-webhooks/(?P<pk>[^/]+)/rotate-secret/?$",
        RotateInboundSecret.as_view(),
        name="inbound_rotate_secret",
    ),
    re_path(r"^inbound-webhooks/(?P<inbound_pk>[^/]+)/receipts/?$", Receipts.as_view(), name="receipts"),
    re_path(r"^inbound-webhooks/(?P<inbound_pk>[^/]+)/receipts/(?P<pk>[^/]+)/?$", OneReceipt.as_view(), name="receipt"),
    re_path(
        r"^inbound-webhooks/(?P<inbound_pk>[^/]+)/receipts/(?P<pk>[^/]+)/process/?$",
        ProcessReceipt.as_view(),
        name="receipt_process",
    ),
    re_path(
        r"^inbound-webhooks/(?P<inbound_pk>[^/]+)/process-refused/?$",
        ProcessRefused.as_view(),
        name="process_refused",
    ),
    re_path(r"^sending-addresses/?$", SendingAddresses.as_view(), name="sending_addresses"),
    re_path(r"^webhooks/?$", Webhooks.as_view(), name="webhooks"),
    re_path(r"^webhooks/(?P<pk>[^/]+)/?$", OneWebhook.as_view(), name="webhook"),
    re_path(r"^webhooks/(?P<pk>[^/]+)/enable/?$", Enable.as_view(), name="webhook_enable"),
    re_path(r"^webhooks/(?P<pk>[^/]+)/pause/?$", Pause.as_view(), name="webhook_pause"),
    re_path(r"^webhooks/(?P<pk>[^/]+)/disable/?$", Disable.as_view(), name="webhook_disable"),
    re_path(r"^webhooks/(?P<pk>[^/]+)/test/?$", SendTest.as_view(), name="webhook_test"),
    re_path(r"^webhooks/(?P<pk>[^/]+)/rotate-secret/?$", RotateSecret.as_view(), name="webhook_rotate_secret"),
    re_path(r"^webhooks/(?P<pk>[^/]+)/switch-secret/?$", SwitchSecret.as_view(), name="webhook_switch_secret"),
    re_path(r"^webhook-events/?$", WebhookEvents.as_view(), name="webhook_events"),
]
