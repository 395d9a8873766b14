"""What somebody is called, by what a row says of them."""

from __future__ import annotations


def full_name(username: str | None, first_name: str | None, last_name: str | None) -> str | None:
    """Their own name, or what they sign in with; None where there is nobody."""
    return f"{first_name or ''} {last_name or ''}".strip() or username
