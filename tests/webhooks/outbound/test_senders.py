"""The threads that send: nobody's parcel is left lying while somebody could take it."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import nullcontext

import pytest

from tests.webhooks.outbound.test_send import OK, Receiver, door_to, post, receiving, says
from webhooks.models import Lane
from webhooks.outbound.parcel import Claimed, Parcel, Result
from webhooks.outbound.senders import Senders
from webhooks.outbound.windows import Windows


class Desk:
    """Senders to a receiver that answers after so long, or in its own way."""

    def __init__(self, receiver: Receiver, takes: float) -> None:
        self.takes = takes
        self.windows = Windows()
        self.results: dict[int, Result] = {}
        self.receiver = receiver
        receiver.script = self._answer
        self._url = receiver.url
        door = door_to(receiver)
        self.senders = Senders(lambda request, deadline: door.begin(request, deadline=deadline), self.windows)
        self._id = 0

    def _answer(self, connection: socket.socket, request: bytes, number: int) -> None:
        time.sleep(self.takes)
        connection.sendall(OK)

    def submit(self, number: int, webhook_id: int = 1) -> None:
        self.senders.submit([self._parcel(webhook_id) for _ in range(number)], time.monotonic() + 60)

    def _parcel(self, webhook_id: int) -> Parcel:
        self._id += 1
        claimed = Claimed(self._id, 1, 1, webhook_id, "msg_1", self._id, "lead.created", "leadpro", Lane.LIVE, 0)
        return Parcel(claimed, post(self._url, body=b"%d" % self._id), (), 5.0, fresh=False)

    def drained(self, within: float = 5.0) -> bool:
        until = time.monotonic() + within
        while self.senders.in_hand and time.monotonic() < until:
            results, _ = self.senders.collect(0.01)
            self.results |= {result.parcel.claimed.id: result for result in results}
            self.senders.adjust()
        return not self.senders.in_hand


@pytest.fixture
def desk():
    with receiving(says(OK)) as receiver:
        desk = Desk(receiver, takes=0.02)
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


def test_nothing_leaves_while_the_senders_are_still(desk):
    with desk.senders.still():
        requests = len(desk.receiver.requests)
        desk.takes = 0.0
        pile = threading.Thread(target=desk.submit, args=(20,))
        pile.start()
        time.sleep(0.1)
        assert len(desk.receiver.requests) == requests
    pile.join(5)
    assert desk.drained()


@pytest.mark.parametrize("still", [True, False])
def test_a_try_that_could_not_end_makes_no_threads(desk, monkeypatch, still):
    """Its answer came while the senders were still: its receiver is not slow."""
    monkeypatch.setattr("webhooks.outbound.senders.STUCK_AFTER", 0.1)
    desk.takes = 0.3
    desk.submit(1)
    with desk.senders.still() if still else nullcontext():
        time.sleep(0.2)
    desk.senders.adjust()
    assert (desk.senders._wanted == 1) == still
    assert desk.drained()


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


def test_an_answer_that_never_comes_keeps_nobody_waiting_who_was_sent_beside_it(desk):
    """One thread sends them: the second gets no answer, the others' are read as they come."""
    desk.takes = 0.0
    desk.submit(20)
    assert desk.drained()
    silent = desk._id + 2
    answer = desk._answer

    def script(connection, request, number):
        if request.endswith(b"\r\n\r\n%d" % silent):
            time.sleep(1.0)
        answer(connection, request, number)

    desk.receiver.script = script
    desk.submit(4)
    assert desk.drained()
    others = {pk: result.duration_ms for pk, result in desk.results.items() if pk > 20 and pk != silent}
    assert max(others.values()) < 500
    assert desk.results[silent].duration_ms >= 1000


def test_no_more_are_on_their_way_to_a_receiver_than_its_window_lets(desk):
    desk.takes = 0.01
    desk.windows.of(1).size = 3
    most = 0

    def script(connection, request, number):
        nonlocal most
        now.append(1)
        most = max(most, len(now))
        time.sleep(0.02)
        now.pop()
        connection.sendall(b"HTTP/1.1 500 Down\r\nContent-Length: 0\r\n\r\n")

    now = []
    desk.receiver.script = script
    desk.submit(12)
    deadline = time.monotonic() + 5
    while desk.senders.in_hand and time.monotonic() < deadline:
        desk.senders.collect(0.01)
        desk.senders.adjust()
        desk.windows.rested()
    assert not desk.senders.in_hand
    assert 1 <= most <= 3
