"""Addresses of admin pages, empty where there is no such page, and who may open them: no link of ours leads nowhere."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse


def page(name: str, *args: object, **query: object) -> str:
    """admin:<name>, or '' when no page has that name; query values, lists among them, are put behind "?"."""
    try:
        address = reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return ""
    return f"{address}?{urlencode(query, doseq=True)}" if query else address


def allowed(request: HttpRequest, permission: str) -> bool:
    """permission: "app.codename", "superuser", or '' for everybody who is signed in."""
    if permission == "superuser":
        return bool(request.user.is_superuser)
    return not permission or bool(request.user.has_perm(permission))
