"""How much one receiver may have in flight."""

from __future__ import annotations

import pytest

from webhooks.outbound.windows import START, WIDEST, WIDEST_SLOW, Window, Windows


def test_it_opens_by_one_with_each_answer_up_to_the_widest():
    window = Window()
    assert window.doubtful and window.ahead == 1
    for answers in range(1, 100):
        window.answered(0.01)
        assert window.size == min(1 + answers, WIDEST) and not window.doubtful


def test_a_strained_receiver_gets_one_and_nothing_until_that_is_written_down():
    window = Window(WIDEST)
    window.strained()
    assert window.size == 1 and window.doubtful and window.ahead == 1
    assert not window.is_open
    window.resting = False
    assert window.is_open
    window.in_flight = 1
    assert not window.is_open


def test_one_that_takes_its_time_gets_less_and_stays_in_doubt():
    window = Window(WIDEST)
    window.answered(2.0)
    assert window.size == WIDEST_SLOW and window.doubtful
    window.answered(0.1)
    assert not window.doubtful


def test_what_is_known_to_be_fine_does_not_begin_at_one():
    windows = Windows()
    assert windows.of(1, fine=True).size == START and windows.of(2).size == 1
    assert windows.of(1) is windows.of(1)


def test_it_does_not_remember_for_ever_but_what_is_in_flight(monkeypatch):
    monkeypatch.setattr("webhooks.outbound.windows.FORGET_AFTER", 10)
    windows = Windows()
    busy = windows.of(1)
    busy.in_flight = 1
    for pk in range(2, 40):
        windows.of(pk)
    assert windows.of(1) is busy and len(windows._windows) <= 11


@pytest.mark.parametrize(("seconds", "each"), [(0.001, 14), (0.02, 5), (0.5, 2)])
def test_the_slower_a_receiver_the_less_is_claimed_ahead(seconds, each):
    window = Windows().of(1)
    for _ in range(60):
        window.answered(seconds)
    assert window.ahead == each * window.size
