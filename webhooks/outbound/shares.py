"""How a claim is shared out. Pure: turns and room in, shares out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from webhooks.models import Lane
from webhooks.outbound.turns import Turn


@dataclass(frozen=True, slots=True)
class Share:
    """How many deliveries of a webhook, in one lane, a claim may take."""

    webhook_id: int
    lane: int
    number: int


def share_out(turns: Sequence[Turn], room: Callable[[Turn], int], limit: int) -> list[Share]:
    """Lane by lane, and within a lane equally among the webhooks; nobody gets more than there is room for.

    What one does not need is shared among the others. When there are more webhooks than deliveries to claim, those
    that have waited longest come first.
    """
    shares: list[Share] = []
    given: dict[int, int] = {}
    for _, found in groupby(sorted(_asking(turns), key=attrgetter("lane")), key=attrgetter("lane")):
        # The one that can take least first: what it leaves goes to the others.
        wants = sorted(((room(turn) - given.get(turn.webhook_id, 0), turn) for turn in found), key=lambda want: want[0])
        wants = [(most, turn) for most, turn in wants if most > 0]
        if len(wants) > limit:
            wants = sorted(wants, key=lambda want: -want[1].waited)[:limit]
            wants.sort(key=lambda want: want[0])
        for position, (most, turn) in enumerate(wants):
            number = min(most, limit // (len(wants) - position))
            shares.append(Share(turn.webhook_id, turn.lane, number))
            given[turn.webhook_id] = given.get(turn.webhook_id, 0) + number
            limit -= number
    return shares


def _asking(turns: Sequence[Turn]) -> list[Turn]:
    """A closed webhook asks by what has been tried before, if any of that is due: new deliveries that keep coming
    would else keep every one before them from ever coming to its end."""
    again = {turn.webhook_id for turn in turns if turn.closed and turn.lane == Lane.RETRY}
    return [turn for turn in turns if turn.webhook_id not in again or turn.lane == Lane.RETRY]


def clip(shares: Sequence[Share], allowed: dict[int, int]) -> list[Share]:
    """The shares, where webhooks named in `allowed` get so many in all."""
    left = dict(allowed)
    clipped: list[Share] = []
    for share in shares:
        number = min(share.number, left.get(share.webhook_id, share.number))
        if share.webhook_id in left:
            left[share.webhook_id] -= number
        if number:
            clipped.append(replace(share, number=number))
    return clipped
