"""The settings that the webhooks read, typed. Read at each call, so that tests may override them."""

from __future__ import annotations

from django.conf import settings

USER_AGENT = "leadcrm/0.1"

# So many claims that ended without a word, and the delivery is given up as a Failure.
MAX_LOST = 10
# Deliveries in one claim: 50 cost 5 to 10 % of the speed, more only hold memory.
CLAIM_BATCH = 200
LONGEST_TIMEOUT = 30
# Deliveries in one body, where a system sends them together.
MOST_TOGETHER = 500
LONGEST_DELAY = 86_400
# At so many hops neither rules nor Lapps are called any more: they would call each other for ever.
MOST_HOPS = 3
# Where order is kept: a delivery older than this that waits for another try holds the ones after it no longer.
ORDER_HOLDS = 3600.0


def encryption_keys() -> tuple[str, ...]:
    return tuple(settings.WEBHOOK_ENCRYPTION_KEYS)


def retry_scale() -> float:
    return float(settings.WEBHOOK_RETRY_SCALE)


def lease() -> float:
    """Seconds for which a claim holds, unless it is renewed: more than the longest try takes."""
    return float(settings.WEBHOOK_LEASE)


def renewal() -> float:
    """Seconds after which whoever delivers lengthens the leases that it holds."""
    return lease() / 4


def group_window() -> float:
    """Seconds for which deliveries that are sent together wait for each other, from the first of them on."""
    return float(settings.WEBHOOK_GROUP_WINDOW)


def drain_rate() -> float:
    """Deliveries per second of a webhook whose receiver came back, until what piled up has left."""
    return float(settings.WEBHOOK_DRAIN_RATE)


def allowlist() -> tuple[str, ...]:
    return tuple(settings.WEBHOOK_ALLOWLIST)


def require_https() -> bool:
    return bool(settings.WEBHOOK_REQUIRE_HTTPS)


def own_hosts() -> tuple[str, ...]:
    """Names of this installation, which no webhook may call."""
    return tuple(settings.WEBHOOK_OWN_HOSTS)


def own_addresses() -> tuple[str, ...]:
    """Its public addresses, as IPs and CIDRs, which no webhook may call either."""
    return tuple(settings.WEBHOOK_OWN_ADDRESSES)


def site_url() -> str:
    return str(settings.SITE_URL)


def egress_proxy() -> str:
    """http://host:port through which all deliveries leave; empty for none."""
    return str(settings.WEBHOOK_EGRESS_PROXY)


def sending_addresses() -> tuple[str, ...]:
    """Where the operator says that deliveries come from: IPs and CIDRs, for people and programs to read."""
    return tuple(settings.WEBHOOK_SENDING_ADDRESSES)


def inbox_enabled() -> bool:
    return bool(settings.WEBHOOK_INBOX)
