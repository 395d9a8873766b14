"""Whose request it is: the address behind the proxies that this installation trusts."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The nearest address that is none of TRUSTED_PROXIES; "" on a Unix socket.

    A proxy puts who called it at the right end of X-Forwarded-For. What stands further left came from that caller, who
    may have made it up: it counts only while the address to its right is a trusted one.
    """
    address: str = request.META.get("REMOTE_ADDR", "")
    # Nobody from elsewhere speaks on a Unix socket: where proxies are trusted at all, it is one of them.
    trusted = _trusted(address) or (not address and bool(settings.TRUSTED_PROXIES))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while trusted and hops:
        hop = hops.pop().strip()
        if not _is_address(hop):
            break
        address, trusted = hop, _trusted(hop)
    return address


def _trusted(address: str) -> bool:
    return _is_address(address) and any(
        ip_address(address) in ip_network(proxies) for proxies in settings.TRUSTED_PROXIES
    )


def _is_address(text: Any) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
