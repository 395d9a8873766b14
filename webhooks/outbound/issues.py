"""Failures in groups: one open issue per webhook and cause, for people who would not read a thousand rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from django.db.models import F

from webhooks.models import Cause, Issue, Webhook
from webhooks.wire.exchange import Failure, FailureKind, Response

_KINDS = {
    FailureKind.DNS: Cause.DNS,
    FailureKind.REFUSED: Cause.REFUSED,
    FailureKind.TLS: Cause.TLS,
    FailureKind.TIMEOUT: Cause.TIMEOUT,
    FailureKind.RESET: Cause.RESET,
    FailureKind.PROTOCOL: Cause.PROTOCOL,
    FailureKind.BLOCKED_ADDRESS: Cause.BLOCKED,
    FailureKind.BLOCKED_URL: Cause.BLOCKED,
}
_STATUSES = {3: Cause.REDIRECT, 4: Cause.CLIENT_ERROR, 5: Cause.SERVER_ERROR}


class Tried(Protocol):
    """What is read of a try."""

    @property
    def at(self) -> datetime: ...
    @property
    def success(self) -> bool: ...
    @property
    def cause(self) -> str: ...
    @property
    def detail(self) -> str: ...


def cause(exchange: Response | Failure) -> Cause:
    """Why a try that was no success failed."""
    if isinstance(exchange, Failure):
        return _KINDS.get(exchange.kind, Cause.OTHER)
    return _STATUSES.get(exchange.status // 100, Cause.OTHER)


def record(webhook: Webhook, tries: Sequence[Tried]) -> None:
    """Count failed tries, in the order in which they were made; a success closes what is open."""
    for one in tries:
        open_ones = Issue.objects.filter(webhook=webhook, closed_at=None)
        if one.success:
            open_ones.update(closed_at=one.at)
        elif not open_ones.filter(cause=one.cause).update(
            count=F("count") + 1, last_at=one.at, detail=one.detail[:255]
        ):
            Issue.objects.create(
                webhook=webhook,
                account_id=webhook.account_id,
                cause=one.cause,
                first_at=one.at,
                last_at=one.at,
                count=1,
                detail=one.detail[:255],
            )
