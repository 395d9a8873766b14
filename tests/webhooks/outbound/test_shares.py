"""How a claim is shared out among the webhooks whose turn it is."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as some

from webhooks.models import Lane
from webhooks.outbound.shares import Share, clip, share_out
from webhooks.outbound.turns import Turn

turns = some.lists(
    some.builds(
        Turn,
        webhook_id=some.integers(1, 30),
        lane=some.sampled_from([int(lane) for lane in Lane]),
        waited=some.floats(0, 1e6),
        fine=some.booleans(),
    ),
    unique_by=lambda turn: (turn.webhook_id, turn.lane),
)


def turn(webhook_id: int, lane: Lane = Lane.LIVE, waited: float = 0.0) -> Turn:
    return Turn(webhook_id, int(lane), waited, fine=True)


@given(turns, some.dictionaries(some.integers(1, 30), some.integers(-5, 300)), some.integers(1, 250))
def test_nobody_gets_more_than_there_is_room_for_nor_all_more_than_the_claim(turns, rooms, limit):
    shares = share_out(turns, lambda turn: rooms.get(turn.webhook_id, 0), limit)
    given_to: Counter[int] = Counter()
    for share in shares:
        assert share.number > 0
        given_to[share.webhook_id] += share.number
    assert sum(given_to.values()) <= limit
    assert all(number <= max(rooms.get(pk, 0), 0) for pk, number in given_to.items())
    # Nothing is left over while somebody could take it.
    wanted = sum(max(rooms.get(pk, 0), 0) for pk in {turn.webhook_id for turn in turns})
    assert sum(given_to.values()) == min(limit, wanted)


def test_one_that_has_a_million_waiting_gets_no_more_than_one_that_has_few():
    shares = share_out([turn(1), turn(2)], lambda turn: 1000, 200)
    assert sorted(shares, key=lambda share: share.webhook_id) == [Share(1, 0, 100), Share(2, 0, 100)]


def test_what_one_does_not_need_the_others_get():
    shares = share_out([turn(1), turn(2), turn(3)], lambda turn: 1 if turn.webhook_id == 2 else 500, 200)
    assert {share.webhook_id: share.number for share in shares} == {2: 1, 1: 99, 3: 100}


def test_live_ones_come_before_further_tries_and_these_before_bulk_work():
    asked = [turn(1, Lane.BULK, 900.0), turn(2, Lane.RETRY, 500.0), turn(3, Lane.LIVE)]
    assert share_out(asked, lambda turn: 150, 200) == [Share(3, Lane.LIVE, 150), Share(2, Lane.RETRY, 50)]


def test_of_more_webhooks_than_a_claim_holds_the_longest_waiting_come_first():
    asked = [turn(number, waited=float(number)) for number in range(300)]
    chosen = {share.webhook_id for share in share_out(asked, lambda turn: 10, 200)}
    assert chosen == set(range(100, 300))


def test_what_is_reserved_is_what_is_claimed():
    shares = [Share(1, Lane.LIVE, 10), Share(2, Lane.LIVE, 10), Share(1, Lane.BULK, 10), Share(3, Lane.LIVE, 5)]
    assert clip(shares, {1: 12, 3: 0}) == [Share(1, Lane.LIVE, 10), Share(2, Lane.LIVE, 10), Share(1, Lane.BULK, 2)]


def test_a_closed_webhook_asks_by_what_has_been_tried_before():
    closed = [Turn(1, int(lane), 0.0, fine=False, limited=True, closed=True) for lane in Lane]
    assert share_out([*closed, turn(2)], lambda turn: 1, 10) == [Share(2, Lane.LIVE, 1), Share(1, Lane.RETRY, 1)]
    # While nothing of it is due, by what comes first.
    assert share_out(closed[:1], lambda turn: 1, 10) == [Share(1, Lane.LIVE, 1)]
