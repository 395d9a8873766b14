"""The threads that send: nobody's parcel is left lying while somebody could take it."""

from __future__ import annotations

import random
import time

import pytest

from webhooks.models import Lane
from webhooks.outbound.parcel import Claimed, Parcel
from webhooks.outbound.senders import Senders
from webhooks.outbound.windows import Windows
from webhooks.wire.exchange import Request, Response

REQUEST = Request("POST", "http://127.0.0.1:9/hook", (), b"{}")


class Desk:
    """Senders whose receiver answers after so long."""

    def __init__(self, takes: float) -> None:
        self.takes = takes
        self.windows = Windows()
        self.senders = Senders(self._send, self.windows)
        self._id = 0

    def _send(self, request: Request, deadline: float) -> Response:
        time.sleep(self.takes)
        return Response(200, "OK", (), b"")

    def submit(self, number: int, webhook_id: int = 1) -> None:
        self.senders.submit([self._parcel(webhook_id) for _ in range(number)], time.monotonic() + 60)

    def _parcel(self, webhook_id: int) -> Parcel:
        self._id += 1
        claimed = Claimed(self._id, 1, 1, webhook_id, "msg_1", self._id, "lead.created", "leadpro", Lane.LIVE, 0)
        return Parcel(claimed, REQUEST, (), 5.0, fresh=False)

    def drained(self, within: float = 5.0) -> bool:
        until = time.monotonic() + within
        while self.senders.in_hand and time.monotonic() < until:
            self.senders.collect(0.01)
            self.senders.adjust()
        return not self.senders.in_hand


@pytest.fixture
def desk():
    desk = Desk(takes=0.02)
    desk.windows.of(1).size = 32
    yield desk
    desk.senders.recall()
    desk.senders.dismiss()


@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_one_parcel_after_a_burst_finds_a_thread(desk, pause):
    for _ in range(4):
        desk.submit(60)
        assert desk.drained()
        time.sleep(pause)
        desk.submit(1)
        assert desk.drained()


def test_bursts_of_any_size_all_leave(desk):
    chance = random.Random(20261121)
    for _ in range(25):
        desk.takes = chance.choice([0.0, 0.002, 0.02])
        for webhook_id in range(1, chance.randint(2, 6)):
            desk.submit(chance.randint(1, 20), webhook_id)
        assert desk.drained()
        time.sleep(chance.choice([0.0, 0.02]))


def test_a_window_that_opens_again_is_noticed(desk):
    window = desk.windows.of(1)
    window.strained()
    desk.submit(3)
    assert not desk.drained(within=0.1)
    desk.windows.rested()
    assert desk.drained()


def test_receivers_that_take_their_time_are_sent_to_side_by_side(desk):
    desk.takes = 0.05
    began = time.monotonic()
    desk.submit(60)
    assert desk.drained()
    assert time.monotonic() - began < 60 * 0.05 / 3
