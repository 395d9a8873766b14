"""What the page says that asks before a record is deleted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deletion:
    """title is the question, or the refusal when `possible` is False; link is (text, address) of what to do instead."""

    title: str
    text: str
    possible: bool = True
    link: tuple[str, str] | None = None
