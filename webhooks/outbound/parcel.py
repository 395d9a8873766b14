"""What the steps of a delivery hand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, Request, Response


@dataclass(frozen=True, slots=True)
class Captured:
    """An event that is about to be stored, its `values` those of models.event.COLUMNS: from capture."""

    uid: str
    account_id: int
    frozen: Event
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in hand: from claim."""

    id: int
    fence: int
    event_id: int
    webhook_id: int | None
    message_id: str
    # Whose bytes are sent: the delivery's own, or those of the one that it replays.
    body_of: int
    sent_as: str
    dialect: str
    lane: int
    tries: int
    # Who posts it where that is not the webhook: "rule" or "automation", and its id.
    posted_by: str = ""
    posted_by_id: int | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """A signed request: from compose."""

    claimed: Claimed
    request: Request
    # The request's headers as history keeps them.
    shown_headers: tuple[tuple[str, str], ...]
    # Seconds that the try may take in all.
    deadline: float
    # The body is new and has to be stored before it is sent.
    fresh: bool
    # No try follows this one, however it ends.
    final: bool = False
    # It asks for a paused webhook: a failure uses up no try.
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A delivery that cannot be sent, or not now: from compose. status: failure, held, cancelled or queued."""

    claimed: Claimed
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """How a try went: from send."""

    parcel: Parcel
    exchange: Response | Failure
    started_at: datetime
    duration_ms: int
