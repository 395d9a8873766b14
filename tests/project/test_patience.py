"""The web server among senders that take their time, send too much, or never end."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from leadcrm.patience import LARGEST, LARGEST_BY_PATH, LARGEST_HEAD, Arrival, awaited
from leads.api import parser
from tests.program import Program, wait_until
from webhooks import views

HEAD = b"PUT /in/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "path, fields, waits_for",
    [
        (b"/api/v1/leads", b"", 0),
        (b"/api/v1/leads", b"Content-Length: 12", 12),
        (b"/api/v1/leads", b"content-LENGTH:\t 12 ", 12),
        (b"/api/v1/leads", b"Content-Length: %d" % (LARGEST + 1), None),
        (b"/in/x", b"Content-Length: 262144", 262144),
        (b"/in/x", b"Content-Length: 262145", None),
        (b"/admin/leads/import/", b"Content-Length: 20000000", 20_000_000),
        (b"/admin/leads/import/", b"Content-Length: 200000000", None),
        (b"/", b"Content-Length: 12\r\nContent-Length: 12", None),
        (b"/", b"Content-Length: -12", None),
        (b"/", b"Content-Length: 1e3", None),
        (b"/", b"Content-Length: " + b"9" * 5000, None),
        (b"/", b"Transfer-Encoding: chunked", None),
        (b"/", b"Transfer-Encoding: chunked\r\nContent-Length: 12", None),
    ],
)
def test_which_bodies_are_waited_for(path: bytes, fields: bytes, waits_for: int | None):
    assert awaited(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + fields) == waits_for


def test_no_body_is_waited_for_that_is_refused_afterwards():
    assert parser.LARGEST_BODY == LARGEST
    assert dict(LARGEST_BY_PATH)[b"/in/"] == views.LARGEST_BODY


@pytest.mark.parametrize("step", [1, 3, 50, 70_000])
def test_a_request_is_complete_with_its_last_byte_however_it_is_cut(step: int):
    body = b"x" * 100_000 if step > 3 else b"\r\n\r\n{}"
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    arrival, source = Arrival(), BytesIO(request)
    while piece := source.read(step):
        assert not arrival.is_complete
        arrival.add(piece)
    assert arrival.is_complete
    assert arrival.is_whole
    assert arrival.taken().read() == request


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A web server without a database."""
    folder = tmp_path_factory.mktemp("impatient")
    program = Program(folder, f"sqlite:///{folder / 'db.sqlite3'}")
    program.web = program.run("-m", "gunicorn", "-c", "python:tests.project.impatient", "leadcrm.wsgi")
    wait_until(program.answers, 30, "the web server answers")
    yield program
    program.stop()


def open_(program: Program, sent: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", program.port), timeout=10)
    sock.sendall(sent)
    return sock


def ask(program: Program, sent: bytes) -> bytes:
    """All that is answered until the connection is closed."""
    with open_(program, sent) as sock, sock.makefile("rb") as file:
        return file.read()


def longest_answer(program: Program, times: int = 5) -> float:
    def timed() -> float:
        started = time.monotonic()
        assert program.answers()
        return time.monotonic() - started

    return max(timed() for _ in range(times))


@pytest.mark.process
@pytest.mark.parametrize(
    "sent, cut",
    [
        (HEAD + b"X-Slow: ", b"HTTP/1.1 408 "),
        (HEAD + b"Content-Length: 1000\r\n\r\n{", b"HTTP/1.1 408 "),
        (b"", b""),
    ],
    ids=["heads", "bodies", "silence"],
)
def test_five_hundred_slow_senders_hold_nobody_up_and_are_cut(impatient: Program, sent: bytes, cut: bytes):
    slow = [open_(impatient, sent) for _ in range(500)]
    try:
        assert longest_answer(impatient) < 1
        for sock in slow[::50]:  # which keep sending have no longer
            if sent:
                sock.sendall(b"x")
        for sock in slow:
            assert sock.makefile("rb").read().startswith(cut)
    finally:
        for sock in slow:
            sock.close()


@pytest.mark.process
def test_bodies_without_end_hold_nobody_up(impatient: Program):
    """What is answered by its head alone, while the body still comes."""
    endless = [open_(impatient, HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n") for _ in range(100)] + [
        open_(impatient, HEAD + b"Content-Length: 99999999999\r\n\r\nx") for _ in range(100)
    ]
    try:
        assert longest_answer(impatient) < 1
        for sock in endless:
            assert sock.recv(12) == b"HTTP/1.1 405"
    finally:
        for sock in endless:
            sock.close()


@pytest.mark.process
def test_who_does_not_hang_up_after_the_answer_holds_nobody_up(impatient: Program):
    lingering = [open_(impatient, b"GET /livez HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n") for _ in range(100)]
    try:
        assert longest_answer(impatient) < 1
        assert {sock.recv(12)[9:] for sock in lingering} == {b"200"}
    finally:
        for sock in lingering:
            sock.close()


@pytest.mark.process
def test_what_is_sent_in_one_go_is_answered_one_after_the_other(impatient: Program):
    good = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    posted = HEAD + b"Content-Length: 5\r\n\r\nhello"
    answered = ask(impatient, good + b"\r\n" + posted + good + b"Connection: close\r\n\r\n")
    assert [part[:3] for part in answered.split(b"HTTP/1.1 ")[1:]] == [b"200", b"405", b"200"]


@pytest.mark.process
def test_a_kept_connection_is_served_again(impatient: Program):
    good = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with closing(open_(impatient, good)) as sock:
        for _ in range(3):
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += sock.recv(1000)
            sock.sendall(good[:20])
            sock.sendall(good[20:])


@pytest.mark.process
def test_who_waits_for_a_word_before_the_body_gets_it(impatient: Program):
    with closing(open_(impatient, HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")) as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"hello")
        answered = b""
        while b"method_not_allowed" not in answered:
            answered += sock.recv(1000)
        assert b"HTTP/1.1 405 " in answered


@pytest.mark.process
@pytest.mark.parametrize(
    "sent, status",
    [
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"400"),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", b"400"),
        (HEAD + b"Content-Length: -5\r\n\r\nhello", b"400"),
        (HEAD + b"Content-Length: five\r\n\r\nhello", b"400"),
        (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", b"400"),
        (HEAD + b"X: " + b"x" * 140_000 + b"\r\n\r\n", b"431"),
        (HEAD + b"X: x\r\n" * (LARGEST_HEAD // 5), b"431"),
        (HEAD + b"X: x\r\n" * 101 + b"\r\n", b"431"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"hello\r\n\r\n", b"400"),
        (HEAD + b"X: a\x00b\r\n\r\n", b"400"),
        (HEAD + b"X : a\r\n\r\n", b"400"),
    ],
)
def test_what_cannot_be_read_is_refused(impatient: Program, sent: bytes, status: bytes):
    assert ask(impatient, sent)[9:12] == status
    assert impatient.answers()


@pytest.mark.process
def test_a_request_that_has_begun_is_answered_while_the_server_stops(tmp_path: Path):
    program = Program(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}")
    program.start_web()
    with closing(open_(program, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n")) as sock:
        time.sleep(0.2)
        program.web.terminate()
        time.sleep(0.2)
        sock.sendall(b"\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert program.web.wait(10) == 0
