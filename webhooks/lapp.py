"""Lapps: Python functions that take a webhook's deliveries in place of a URL (LS-A18).

Each installed app registers its own in its lapps.py, and administrators choose among them by their labels. Whoever
writes one reads docs/lapps.md; a process of its own runs it, see outbound/lapp.py and worker/nursery.py.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import autodiscover_modules

from leads import changes
from webhooks.models import LappCall

METHOD = "LAPP"
"""What stands in the history where a request has GET or POST."""
SCHEME = "lapp:"
WEBHOOK, ACCOUNT = "lapp-webhook", "lapp-account"
"""Headers that say whose call it is: the webhook's id, and its account's."""
LONGEST_LABEL = 60

_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")


@dataclass(frozen=True, slots=True)
class Call:
    """What a Lapp is told beside body and query."""

    id: str
    """The webhook-id: the same on every try, and on every replay as sent."""
    account_id: int
    webhook_id: int
    record: str
    """What the event is about, "lead"; empty in a test."""
    record_id: int
    version: int
    hops: int
    """How many webhooks, rules and Lapps led to this event, one after the other."""
    test: bool
    """It is a Send Test, whose body is a sample: whatever has an effect is to be left out."""
    raw: bytes
    """The body as it is stored."""

    @contextmanager
    def once(self) -> Iterator[bool]:
        """A unit of work that tells whether this is the first time: deliveries may come again.

        What is written within is committed together with the note that it was done, or not at all.
        """
        with changes.unit():
            _, first = LappCall.objects.get_or_create(message_id=self.id)
            yield first


Function = Callable[[Any, Mapping[str, str], Call], Any]


@dataclass(frozen=True, slots=True)
class Lapp:
    """name: what webhooks store; label and description: what administrators choose by."""

    name: str
    label: str
    description: str
    function: Function


class UnknownLapp(LookupError):
    """No function of that name is registered. The message is for staff."""


_registered: dict[str, Lapp] = {}


def lapp(*, label: str, description: str, name: str = "") -> Callable[[Function], Function]:
    """Register the function that follows, under its own name or another one. ImproperlyConfigured."""

    def register(function: Function) -> Function:
        known = name or getattr(function, "__name__", "")
        if fault := _fault(known, label, description, function):
            raise ImproperlyConfigured(f"Lapp {known!r} of {function.__module__}: {fault}.")
        _registered[known] = Lapp(known, label, description, function)
        return function

    return register


def _fault(name: str, label: str, description: str, function: Function) -> str:
    if not _NAME.fullmatch(name):
        return "its name has to begin with a letter and may have 50 small letters, digits and _"
    if name in _registered:
        return f"{_registered[name].function.__module__} has registered that name already"
    if not label.strip() or len(label) > LONGEST_LABEL or not description.strip():
        return f"it needs a label, of at most {LONGEST_LABEL} characters, and a description"
    if inspect.iscoroutinefunction(function):
        return "it may not be async"
    try:
        inspect.signature(function).bind({}, {}, None)
    except TypeError:
        return "it has to take three arguments: body, query and call"
    return ""


def registered() -> list[Lapp]:
    """All of them, by label."""
    return sorted(_registered.values(), key=lambda each: each.label.casefold())


def named(name: str) -> Lapp:
    """Raises UnknownLapp."""
    try:
        return _registered[name]
    except KeyError:
        raise UnknownLapp(f"No Lapp is called {name} here. Choose another one, or bring its function back.") from None


def label(name: str) -> str:
    """What staff read for a stored name, whether or not there is such a Lapp by now."""
    return _registered[name].label if name in _registered else name


def url(name: str) -> str:
    """What stands in the history where a request has its URL."""
    return f"{SCHEME}{name}"


def called(url: str) -> str:
    """The name in such a URL, whatever query follows."""
    return url.removeprefix(SCHEME).partition("?")[0]


def discover() -> None:
    """Import the lapps.py of every installed app, once they all are there."""
    autodiscover_modules("lapps")
