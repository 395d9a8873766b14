"""What an exchange means: our judgement of an answer, and an inbox's judgement of a request."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus

from webhooks.wire.exchange import Failure, Request, Response
from webhooks.wire.retry import parse_retry_after


@dataclass(frozen=True, slots=True)
class Verdict:
    success: bool
    retry: bool
    """Whether another try may help. Meaningless after a success."""
    reason: str = ""
    """Why it is no success, for people; empty after a success."""
    retry_after: float | None = None
    """Seconds for which the receiver asked us to wait."""


class Proof(StrEnum):
    """What the signature of a received request proves."""

    VERIFIED = "verified"
    WRONG = "wrong"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True)
class Verified:
    outcome: Proof
    detail: str
    """One sentence for people: what was checked and what was found."""
    payload: bytes = b""
    """The bytes that the signature vouches for; empty unless verified."""
    payload_is_body: bool = False
    """Whether those bytes say the same as the request's body."""


def judge(answer: Response | Failure, request: Request, now: datetime) -> Verdict:
    """The rule of every dialect that has no other: any 2xx is success, all else is tried again.

    `now` (aware) turns a Retry-After that is a date into seconds.
    """
    if isinstance(answer, Failure):
        return Verdict(success=False, retry=True, reason=answer.message)
    if 200 <= answer.status < 300:
        return Verdict(success=True, retry=False)
    wait = answer.header("retry-after")
    return Verdict(
        success=False,
        retry=True,
        reason=explain(answer),
        retry_after=parse_retry_after(wait, now) if wait is not None else None,
    )


def explain(answer: Response) -> str:
    """ "500 Internal Server Error", and for a redirect what to do about it.

    The phrase is the standard one, not the receiver's, so that equal answers read and group alike.
    """
    try:
        phrase = f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = str(answer.status)
    location = answer.header("location")
    if 300 <= answer.status < 400 and location:
        return f"{phrase}. Redirects are not followed. If the receiver moved, change Webhook URL to {location[:200]}"
    return phrase
