"""Show a fresh secret once. The session carries a promise, not the secret: the page reads it where it is kept.

The promise is for one secret of one webhook, inbound or not, for whoever made it, for the next page within two minutes.
"""

from __future__ import annotations

import time

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from webhooks.models import InboundWebhook, Webhook

Holder = Webhook | InboundWebhook

_KEY = "webhook_secret"
_SECONDS = 120


def promise(request: HttpRequest, webhook: Holder, secret: str) -> None:
    """The next page of this webhook shows this secret."""
    request.session[_KEY] = [_name(webhook), _mark(secret), time.time() + _SECONDS]


def redeem(request: HttpRequest, webhook: Holder) -> str:
    """The promised secret, '' when there is none. A promise is kept once."""
    promised = request.session.get(_KEY)
    if promised is None or promised[0] != _name(webhook):
        return ""
    del request.session[_KEY]
    _, mark, until = promised
    if time.time() > until:
        return ""
    try:
        stored = [getattr(webhook, column, "") for column in ("secret", "next_secret")]
    except ValueError:
        return ""
    return next((secret for secret in stored if secret and constant_time_compare(_mark(secret), mark)), "")


def _name(webhook: Holder) -> str:
    return f"{webhook._meta.model_name}/{webhook.pk}"


def _mark(secret: str) -> str:
    return salted_hmac("webhooks.admin.reveal", secret, algorithm="sha256").hexdigest()
