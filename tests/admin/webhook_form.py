"""The webhook's form as a browser sends it, for tests of its parts."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from tests.admin.page import Page
from webhooks.dialects import DIALECTS


def url(view: str, *args: Any) -> str:
    return reverse(f"admin:webhooks_webhook_{view}", args=args)


def filled(client: Client, address: str, **changes: Any) -> dict[str, list[str]]:
    """The form of a page, changed; None takes a field away. A dot in a field's name is written __ : filters__0__op."""
    fields = Page(client.get(address)).form("webhook_form")
    for name, value in changes.items():
        name = name.replace("__", ".") if name.startswith("filters__") else name
        fields.pop(name, None)
        if value is not None:
            fields[name] = value if isinstance(value, list) else [value]
    return fields


def rows(*filters: tuple[str, str, Any, str] | tuple[str, str, Any] | tuple[str, str]) -> dict[str, list[str]]:
    """Filters as the browser posts them: (field, condition, value or values, value before)."""
    posted: dict[str, list[str]] = {"filters": ["rows"]}
    for number, (field, op, *rest) in enumerate(filters):
        values = rest[0] if rest else []
        posted |= {
            f"filters.{number}.was": [field],
            f"filters.{number}.field": [field],
            f"filters.{number}.op": [op],
            f"filters.{number}.value": [str(each) for each in (values if isinstance(values, list) else [values])],
            f"filters.{number}.before": [str(rest[1]) if len(rest) > 1 else ""],
        }
    return posted


NEW = {"dialect": "leadpro", "name": "LeadPro production", "url": "https://hooks.example.com/in"}


def new(client: Client, *filters: Any, **changes: Any) -> dict[str, list[str]]:
    """The add form, filled in; of a system that asks for one event, with its first."""
    given = NEW | changes
    dialect = DIALECTS.get(given["dialect"])
    if dialect is not None and dialect.one_event:
        given = {f"{dialect.name}__events": dialect.events[0]} | given
    return filled(client, url("add"), **given) | (rows(*filters) if filters else {})


def errors(response: Any) -> Any:
    assert response.status_code == 200
    return response.context["adminform"].form.errors
