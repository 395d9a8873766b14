"""Somebody who looks at pages of the admin, through every middleware, by Django's test client."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import Any

import django
from django.conf import settings

from benchmarks.process import serve

# Nobody has collected static files here; where a page finds their names is no part of what is measured.
settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
django.setup()

from django.test import Client  # noqa: E402

from benchmarks.processes import past  # noqa: E402
from benchmarks.processes.statements import statements  # noqa: E402
from leads.models import User  # noqa: E402
from webhooks.models import Webhook  # noqa: E402

_clients: dict[str, Client] = {}


def fill(rows: int) -> list[int]:
    """Make the history and sign people in; the ids of the first account's webhooks."""
    past.people()
    past.fill(rows)
    for name in (past.MANAGER, past.SUPERUSER):
        _clients[name] = Client()
        _clients[name].force_login(User.objects.get(username=name), "django.contrib.auth.backends.ModelBackend")
    return list(Webhook.objects.order_by("pk").values_list("pk", flat=True)[: past.FIRST])


def look(who: str, path: str) -> dict[str, Any]:
    """One visit: its milliseconds, its statements, and where Next leads."""
    with statements() as seen:
        began = time.perf_counter()
        answer = _clients[who].get(path)
        milliseconds = (time.perf_counter() - began) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}")
    links = _Links()
    links.feed(answer.content.decode())
    return {"ms": milliseconds, "statements": len(seen), "next": links.next}


class _Links(HTMLParser):
    """The address of the link to the next page."""

    def __init__(self) -> None:
        super().__init__()
        self.next: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if tag == "a" and named.get("rel") == "next":
            self.next = named.get("href")


if __name__ == "__main__":
    serve({"fill": fill, "look": look})
