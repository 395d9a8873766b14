"""Somebody who looks at Webhook History in the admin, through every middleware, by Django's test client."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any

import django
from django.conf import settings

from benchmarks.process import serve

# Nobody has collected static files here; where a page finds their names is no part of what is measured.
settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
settings.STATIC_ROOT = None
django.setup()

from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from benchmarks.processes import past  # noqa: E402
from benchmarks.processes.statements import statements  # noqa: E402

PER_PAGE = 50
ROW = re.compile(r"/webhooks/delivery/(\d+)/")
NEXT = re.compile(r'href="[^"?]*(\?(?:[^"]*[?&;])?after=\d+[^"]*)"')

_clients: dict[str, Client] = {}


def fill(rows: int) -> int:
    """Make the history and sign two people in; the id of one of the first account's webhooks."""
    webhook = past.fill(rows)
    for name, user in past.people().items():
        _clients[name] = Client()
        _clients[name].force_login(user, "django.contrib.auth.backends.ModelBackend")
    return webhook


def look(who: str, query: str) -> dict[str, Any]:
    """One visit: its milliseconds, its statements and the next page's query. RuntimeError unless the page is full."""
    with statements() as seen:
        began = time.perf_counter()
        answer = _clients[who].get(reverse("admin:webhooks_delivery_changelist") + query)
        milliseconds = (time.perf_counter() - began) * 1000
    page = answer.content.decode()
    rows = len(set(ROW.findall(page)))
    if answer.status_code != 200 or rows != PER_PAGE:
        raise RuntimeError(f"{query or 'the list'} answered {answer.status_code} with {rows} rows to the {who}")
    link = NEXT.search(page)
    return {"ms": milliseconds, "statements": len(seen), "next": unescape(link[1]) if link else None}


if __name__ == "__main__":
    serve({"fill": fill, "look": look})
