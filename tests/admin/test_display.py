"""How times, numbers and states are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from leads.admin import display

NOW = datetime(2026, 11, 21, 9, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=0), "0 s ago"),
        (timedelta(seconds=59.9), "59 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(hours=47), "1 d ago"),
        (timedelta(days=6, hours=23), "6 d ago"),
        (timedelta(days=7), "14 Nov 2026"),
        (timedelta(seconds=-48), "in 48 s"),
        (timedelta(days=-30), "21 Dec 2026"),
    ],
)
def test_a_time_is_relative_for_a_week(before: timedelta, words: str) -> None:
    assert display.relative(NOW - before, NOW) == words


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (timedelta(seconds=47.2), "in 48 s"),
        (timedelta(seconds=59.5), "in 1 min"),
        (timedelta(minutes=59.5), "in 1 h"),
        (timedelta(hours=3), "in 3 h"),
        (timedelta(days=4, hours=23, minutes=59), "in 5 d"),
    ],
)
def test_an_end_is_rounded_up_and_never_told_as_nearer_than_it_is(after: timedelta, words: str) -> None:
    assert display.relative(NOW + after, NOW, up=True) == words
    assert 'data-ago="up"' in display.ago(NOW + after, up=True)


def test_a_time_says_in_its_title_when_exactly() -> None:
    html = display.ago(NOW)
    assert 'datetime="2026-11-21T09:14:05.000Z"' in html
    assert 'title="21 Nov 2026, 09:14:05 UTC"' in html
    assert display.ago(None) == display.MISSING


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 0, "–"), (0, 5, "0 %"), (5, 5, "100 %"), (2, 3, "66.7 %"), (99_999, 100_000, "99.9 %"), (1, 100_000, "0.1 %")],
)
def test_a_rate_is_never_rounded_to_all_or_nothing(part: int, whole: int, words: str) -> None:
    assert display.percent(part, whole) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"), [(None, "–"), (0, "0 ms"), (383, "383 ms"), (9_999, "9999 ms"), (15_400, "15 s")]
)
def test_a_duration_is_in_seconds_from_ten_on(milliseconds: int | None, words: str) -> None:
    assert display.duration(milliseconds) == words


def test_counts() -> None:
    assert display.capped(10_000, 10_000) == "10,000"
    assert display.capped(10_001, 10_000) == "10,000+"
    assert display.plural(1, "delivery", "deliveries") == "1 delivery"
    assert display.plural(1_200, "lead") == "1,200 leads"
    assert display.size(1) == "1 byte"
    assert display.size(546) == "546 bytes"
    assert display.size(38_400) == "38 kB"


@pytest.mark.parametrize(
    ("name", "initials"),
    [("Olivia Hartley", "OH"), ("olivia", "O"), ("Ana de la Cruz", "AC"), ("", "–"), ("(x) y", "Y")],
)
def test_initials(name: str, initials: str) -> None:
    assert f">{initials}</span>" in display.person(name)


def test_what_people_wrote_is_text() -> None:
    for html in (
        display.person("<b>", "<i>"),
        display.badge("queued", "<b>"),
        display.mono("<b>"),
        display.clip("<b>"),
    ):
        assert "<b>" not in html and "<i>" not in html


def test_a_badge_has_the_colours_of_its_state() -> None:
    assert display.badge("queued", "In Queue") == '<span class="lc-badge state-queued">In Queue</span>'
    assert 'class="lc-badge tone-neutral"' in display.badge("REGISTERED", "Registered")
