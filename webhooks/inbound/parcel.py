"""What the steps hand on."""

from __future__ import annotations

from dataclasses import dataclass

from leads.models import ApiKey
from leads.scope import Scope


@dataclass(frozen=True, slots=True)
class Sender:
    """Who was proven. claims: what is read in place of the body; key: the API key, where it was one."""

    name: str
    scope: Scope
    claims: bytes = b""
    key: ApiKey | None = None
