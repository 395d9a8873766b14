from datetime import UTC, datetime

import pytest

from webhooks.wire.retry import RetryPolicy, parse_retry_after

NOW = datetime(2026, 11, 21, 9, 14, 5, tzinfo=UTC)
POLICY = RetryPolicy(waits=(60.0, 300.0))


def test_two_waits_are_three_tries() -> None:
    assert POLICY.tries == 3
    assert [POLICY.wait(used, scale=1, spread=0) for used in (1, 2, 3)] == [60, 300, None]


def test_a_wait_needs_a_try_before_it() -> None:
    assert POLICY.wait(0, scale=1, spread=0) is None


@pytest.mark.parametrize(("spread", "wait"), [(-1, 54), (0, 60), (1, 66)])
def test_jitter_is_a_tenth(spread: float, wait: float) -> None:
    assert POLICY.wait(1, scale=1, spread=spread) == pytest.approx(wait)


def test_scale_shortens_all() -> None:
    assert POLICY.wait(2, scale=0.05, spread=1) == pytest.approx(16.5)


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [(10, 60), (90, 90), (120, 120), (3600, 120)],
    ids=["shorter-changes-nothing", "longer-is-honoured", "up-to-twice", "and-no-more"],
)
def test_retry_after_lengthens_up_to_twice(retry_after: float, wait: float) -> None:
    assert POLICY.wait(1, scale=1, spread=0, retry_after=retry_after) == wait


def test_twice_means_twice_the_scaled_wait() -> None:
    assert POLICY.wait(1, scale=0.05, spread=0, retry_after=3600) == pytest.approx(6)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 30 ", 30),
        ("Sat, 21 Nov 2026 09:15:05 GMT", 60),
        ("Saturday, 21-Nov-26 09:15:05 GMT", 60),
        ("Sat Nov 21 09:15:05 2026", 60),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣٠", None),
        ("9" * 5000, None),
        ("Sat, 99 Nov 2026 09:15:05 GMT", None),
        ("Sat, 21 Nov 99999999 09:15:05 GMT", None),
        ("Sat, 21 Nov 2026 09:15:05 +9999", None),
        ("\x00", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds
