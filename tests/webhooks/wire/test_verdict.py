from datetime import UTC, datetime

import pytest

from webhooks.wire.exchange import Failure, FailureKind, Request, Response
from webhooks.wire.verdict import Verdict, judge

NOW = datetime(2026, 11, 21, 9, 14, 5, tzinfo=UTC)
REQUEST = Request("POST", "https://hooks.example.com/in", (), b"{}")


def answer(status: int, *headers: tuple[str, str]) -> Response:
    return Response(status, "whatever the receiver calls it", headers, b"")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert judge(answer(status), REQUEST, NOW) == Verdict(success=True, retry=False)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (101, "101 Switching Protocols"),
        (304, "304 Not Modified"),
        (400, "400 Bad Request"),
        (410, "410 Gone"),
        (500, "500 Internal Server Error"),
        (777, "777"),
    ],
)
def test_anything_else_is_tried_again_and_named_by_the_standard(status: int, reason: str) -> None:
    assert judge(answer(status), REQUEST, NOW) == Verdict(success=False, retry=True, reason=reason)


def test_a_redirect_says_what_to_change() -> None:
    verdict = judge(answer(308, ("Location", "https://hooks.example.com/in/")), REQUEST, NOW)
    assert not verdict.success
    assert verdict.reason == (
        "308 Permanent Redirect. Redirects are not followed. If the receiver moved, change Webhook URL to "
        "https://hooks.example.com/in/"
    )


def test_retry_after_is_read_in_both_forms() -> None:
    assert judge(answer(429, ("retry-after", "30")), REQUEST, NOW).retry_after == 30
    assert judge(answer(503, ("Retry-After", "Sat, 21 Nov 2026 09:15:05 GMT")), REQUEST, NOW).retry_after == 60
    assert judge(answer(503, ("Retry-After", "later")), REQUEST, NOW).retry_after is None


def test_no_answer_is_tried_again_with_its_words() -> None:
    failure = Failure(FailureKind.DNS, "name not found. hooks.example.com has no address.")
    assert judge(failure, REQUEST, NOW) == Verdict(success=False, retry=True, reason=failure.message)


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_has_words_that_fit_a_cell(kind: FailureKind) -> None:
    assert 0 < len(kind.words) <= 20
