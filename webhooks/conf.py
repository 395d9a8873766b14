"""The settings that the webhooks read, typed. Read at each call, so that tests may override them."""

from __future__ import annotations

from django.conf import settings

USER_AGENT = "leadcrm/0.1"

# A claim holds longer than the longest try (30 s) takes: webhooks.outbound.claim renews it just before bytes leave.
LEASE_SECONDS = 60.0
# So many claims that ended without a word, and the delivery is given up as a Failure.
MAX_LOST = 10
# Deliveries in one claim: 50 cost 5 to 10 % of the speed, more only hold memory.
CLAIM_BATCH = 200
LONGEST_TIMEOUT = 30


def encryption_keys() -> tuple[str, ...]:
    return tuple(settings.WEBHOOK_ENCRYPTION_KEYS)


def retry_scale() -> float:
    return float(settings.WEBHOOK_RETRY_SCALE)


def allowlist() -> tuple[str, ...]:
    return tuple(settings.WEBHOOK_ALLOWLIST)


def require_https() -> bool:
    return bool(settings.WEBHOOK_REQUIRE_HTTPS)


def sending_addresses() -> tuple[str, ...]:
    """Where the operator says that deliveries come from: IPs and CIDRs, for people and programs to read."""
    return tuple(settings.WEBHOOK_SENDING_ADDRESSES)


def inbox_enabled() -> bool:
    return bool(settings.WEBHOOK_INBOX)
