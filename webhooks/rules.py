"""What a webhook must be, whoever sets it up: the rules that form and API share, in words for people.

Those of header names and values stand in outbound/header.py, those of secrets in outbound/rotation.py, and those of
filters in outbound/filter_fields.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from django.db import connection

from leads.models import Account
from webhooks import lapp
from webhooks.dialects import DIALECTS
from webhooks.models import OPEN, Delivery, Kind, Webhook
from webhooks.outbound import header, rotation
from webhooks.outbound.address import parse_url
from webhooks.outbound.deliver import door
from webhooks.wire.dialect import Dialect

LONGEST_DESCRIPTION = 2000
# Characters of a URL, as history keeps it.
LONGEST_URL = 2000
# Deliveries per second that a webhook may be held to.
FASTEST = 1_000
MOST_FILTERS = 20

LAPP = Kind.LAPP.label
NOT_SIGNED = f"A {LAPP} gets no signature, and needs no secret."
NO_HEADERS = f"A {LAPP} gets no custom headers."

NO_EVENT = "Choose at least one event."
ONE_EVENT = "Choose an event."
FOREIGN_OFFICE = "Choose offices of the webhook's own account."


def tidy_name(name: str) -> str:
    """Without blanks around it, and one between two words."""
    return " ".join(name.split())


def check_url(url: str) -> None:
    """Refuse what no try could do; the check that counts is made again at every try. Raises Blocked."""
    target = parse_url(url)
    policy = door().policy
    policy.check_target(target)
    if target.literal:
        policy.check_addresses(target, (target.host,))


def target_faults(dialect: Dialect, kind: str, url: str, name: str) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a webhook's type and the URL or Lapp that goes with it: (column, rule, sentence)."""
    if kind != Kind.LAPP:
        if not url:
            yield "url", "required", "Give the URL that is called."
        if name:
            yield "lapp", "absent", f"A webhook calls a URL. Choose no {LAPP} here, or the type {LAPP}."
        return
    if not dialect.lapps:
        yield "kind", "choice", f"{dialect.label} has no {LAPP}s. Choose the type {Kind.WEBHOOK.label}."
    if url:
        yield "url", "absent", f"A {LAPP} has no URL. Leave this empty, or choose the type {Kind.WEBHOOK.label}."
    if not name:
        yield "lapp", "required", f"Choose a {LAPP}."
    else:
        try:
            lapp.named(name)
        except lapp.UnknownLapp as unknown:
            yield "lapp", "choice", str(unknown)


def url_fault(dialect: Dialect, url: str) -> str | None:
    """Some systems call the URL with something behind it, for which there has to be room."""
    if dialect.address is None:
        return None
    # An id has 19 digits at most, and no other poster has a longer name.
    needed = max(len(dialect.address(url, "automation", "9" * 19, event)) for event in dialect.events) - len(url)
    if len(url) + needed <= LONGEST_URL:
        return None
    return f"{dialect.label} adds to it who posts and why: it may have at most {LONGEST_URL - needed} characters."


def name_fault(webhook: Webhook, dialect: Dialect, name: str) -> str | None:
    """Some systems tell the webhooks of an account apart by name (SL-A9): theirs is shared with no other one.

    `webhook` has its account; stored already or not, the name and the system are still to be given to it.
    """
    if connection.in_atomic_block:
        # Two at once could both find the name free: one after the other.
        Account.objects.select_for_update(no_key=True).filter(pk=webhook.account_id).first()
    others = Webhook.objects.filter(account_id=webhook.account_id).exclude(pk=webhook.pk)
    for other, system in others.values_list("name", "dialect"):
        wanted = dialect.unique_name or (system in DIALECTS and DIALECTS[system].unique_name)
        if wanted and other.strip().casefold() == name.casefold():
            return f"This account has a webhook named {other}. Choose another name."
    return None


def system_fault(webhook: Webhook, former: str, dialect: Dialect) -> str | None:
    """Why a stored webhook cannot change from its former system to another one now."""
    if webhook.pk is None or dialect.name == former:
        return None
    waiting = Delivery.objects.filter(webhook=webhook, status__in=OPEN).count()
    if not waiting:
        return None
    words = "1 delivery waits" if waiting == 1 else f"{waiting:,} deliveries wait"
    return f"{words} in the format of {DIALECTS[former].label}. Let them be sent, or cancel them, first."


def delay_fault(dialect: Dialect, seconds: int) -> str | None:
    """Where a system knows no delay, none can be given."""
    return f"{dialect.label} has no execution delay." if seconds and not dialect.delays else None


def events_at_first(dialect: Dialect) -> list[str]:
    """What a new webhook hears unless somebody chooses: everything, or nothing yet where one event has to be chosen."""
    return [] if dialect.one_event else list(dialect.events)


def events_fault(dialect: Dialect, chosen: Collection[str]) -> str | None:
    if not chosen:
        return ONE_EVENT if dialect.one_event else NO_EVENT
    if dialect.one_event and len(set(chosen)) > 1:
        return f"A webhook of {dialect.label} has one event. Add another webhook for the next."
    return None


def custom_headers(dialect: Dialect, given: Sequence[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    """The headers to store of (name, value) as they were given, and all that is wrong with them, without a value."""
    if dialect.last_header_wins:
        given = list({name.lower(): (name, value) for name, value in given}.values())
    return dict(given), header.faults(given, dialect.most_headers or header.MOST)


def in_order(dialect: Dialect, chosen: Collection[str]) -> list[str]:
    """The chosen events as they are stored."""
    return [event for event in dialect.events if event in chosen]


def first_secret(dialect: Dialect, typed: str, generate: bool) -> str:
    """A new webhook's secret: ours or the typed one, and none where its system can do without and nobody asked for one.

    ValueError with a sentence about what was typed.
    """
    if dialect.secret == "always":
        return dialect.new_secret()
    if typed and generate:
        raise ValueError("Type a secret, or have one generated, not both.")
    if typed and (fault := rotation.fault(dialect, typed)):
        raise ValueError(fault)
    return dialect.new_secret() if generate else typed
