"""The door against real receivers on the loopback, that answer byte for byte as they are told."""

import datetime as dt
import json
import os
import resource
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from webhooks.outbound import send
from webhooks.outbound.connection import Guarded
from webhooks.outbound.send import AddressPolicy, Door
from webhooks.outbound.under_way import first_ready
from webhooks.wire.exchange import Failure, FailureKind, Request, Response

CORPUS = json.loads((Path(__file__).parents[2] / "data" / "ssrf_corpus.json").read_bytes())["cases"]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[[socket.socket, bytes, int], None]
"""(connection, the request as read, how many came before it on all connections); returning closes the connection."""


class Receiver:
    """Reads whole requests and lets a script answer. `requests` holds what came, byte for byte."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.context = context
        self.requests: list[bytes] = []
        self.connections = 0
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self.server.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/in"
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.server.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError):
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.open.append(connection)
            while request := _read(connection):
                self.requests.append(request)
                self.script(connection, request, len(self.requests) - 1)
                if connection.fileno() < 0:
                    return
        with suppress(OSError):
            connection.close()

    def close(self) -> None:
        with suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)  # wakes accept, which would keep the port open
        self.server.close()
        for connection in self.open:
            with suppress(OSError):
                connection.close()


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def receiving(script: Script, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(script, context)
    try:
        yield receiver
    finally:
        receiver.close()


def says(answer: bytes, *, then_close: bool = True) -> Script:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        connection.sendall(answer)
        if then_close:
            connection.close()

    return script


def door_to(*receivers: Receiver, **options: Any) -> Door:
    return Door(AddressPolicy.parse([f"127.0.0.1:{receiver.port}" for receiver in receivers]), **options)


def post(url: str, *headers: tuple[str, str], body: bytes = b"{}") -> Request:
    return Request("POST", url, (("Content-Type", "application/json"), *headers), body)


def exchange(script: Script, deadline: float = 5.0) -> Response | Failure:
    with receiving(script) as receiver:
        return door_to(receiver).send(post(receiver.url), deadline=deadline)


def answered(script: Script) -> Response:
    answer = exchange(script)
    assert isinstance(answer, Response), answer
    return answer


def failed(script: Script, deadline: float = 5.0) -> Failure:
    answer = exchange(script, deadline)
    assert isinstance(answer, Failure), answer
    assert answer.message.startswith(f"{answer.kind.words}. ")
    return answer


# What is sent


def test_the_request_is_exactly_ours() -> None:
    with receiving(says(OK)) as receiver:
        request = Request("PUT", receiver.url + "?a=%20b", (("webhook-id", "msg_1"),), '{"n":"Zoë"}'.encode())
        assert isinstance(door_to(receiver).send(request, deadline=5), Response)
        head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert body == request.body
    assert head.split(b"\r\n") == [
        b"PUT /in?a=%20b HTTP/1.1",
        b"Host: 127.0.0.1:%d" % receiver.port,
        b"Accept-Encoding: identity",
        b"Content-Length: 12",
        b"webhook-id: msg_1",
    ]


def test_framing_headers_of_a_caller_are_not_sent() -> None:
    theirs = [("Host", "evil"), ("content-length", "1"), ("Transfer-Encoding", "chunked"), ("Accept-Encoding", "gzip")]
    with receiving(says(OK)) as receiver:
        assert isinstance(door_to(receiver).send(post(receiver.url, *theirs), deadline=5), Response)
        head = receiver.requests[0]
    assert b"evil" not in head
    assert b"chunked" not in head
    assert b"gzip" not in head
    assert b"Content-Length: 2" in head


@pytest.mark.parametrize(
    "header",
    [("X-A", "b\r\nX-Evil: 1"), ("X-A", "b\r\n c"), ("X-A", "日本"), ("X A", "b"), ("X-A\n", "b"), ("", "b")],
)
def test_a_header_that_http_does_not_allow_is_a_failure(header: tuple[str, str]) -> None:
    with receiving(says(OK)) as receiver:
        answer = door_to(receiver).send(post(receiver.url, header), deadline=5)
        assert isinstance(answer, Failure)
        assert answer.kind == FailureKind.UNKNOWN
        assert "A header" in answer.message
        assert receiver.requests == []


def test_a_header_of_128_kib_is_sent() -> None:
    token = "x" * 128 * 1024
    with receiving(says(OK)) as receiver:
        assert isinstance(door_to(receiver).send(post(receiver.url, ("Authorization", token)), deadline=5), Response)
        assert token.encode() in receiver.requests[0]


def test_an_answer_before_the_request_was_read_is_heard() -> None:
    """A server that refuses a long head answers 431 and hangs up while we are still writing."""
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]

    def refuse() -> None:
        connection, _ = server.accept()
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
        connection.close()

    threading.Thread(target=refuse, daemon=True).start()
    request = post(f"http://127.0.0.1:{port}/", body=b"x" * 50_000_000)
    answer = Door(AddressPolicy.parse([f"127.0.0.1:{port}"])).send(request, deadline=5)
    server.close()
    assert isinstance(answer, Response), answer
    assert answer.status == 431


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert answered(says(OK)).status == 200


# What is answered


def test_an_answer_comes_back_whole_with_its_times() -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        time.sleep(0.2)
        connection.sendall(b"HTTP/1.1 201 Very well\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\n\r\n\x00\xff\n")

    answer = answered(script)
    assert (answer.status, answer.reason, answer.body, answer.size) == (201, "Very well", b"\x00\xff\n", 3)
    assert answer.headers == (("X-A", "1"), ("X-A", "2"), ("Content-Length", "3"))
    assert not answer.truncated
    assert answer.sent_ms is not None
    assert answer.sent_ms < 150 < 200 <= answer.duration_ms < 1000


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
            b"abcde",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
    ],
    ids=["204", "http-1.0", "chunked", "hints", "no-reason"],
)
def test_forms_of_answers(raw: bytes, body: bytes) -> None:
    answer = answered(says(raw))
    assert (answer.body, answer.truncated) == (body, False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    with receiving(says(OK)) as elsewhere:
        raw = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode()
        with receiving(says(raw)) as receiver:
            answer = door_to(receiver, elsewhere).send(post(receiver.url), deadline=5)
        assert isinstance(answer, Response)
        assert (answer.status, answer.header("location")) == (status, elsewhere.url)
        assert elsewhere.connections == 0


def test_a_large_body_is_cut_short() -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        for _ in range(10):
            connection.sendall(b"x" * 1_000_000)

    tracemalloc.start()
    answer = answered(script)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answer.status, len(answer.body), answer.size, answer.truncated) == (200, 8192, 65536, True)
    assert peak < 4_000_000


def test_a_body_that_claims_to_be_compressed_stays_as_it_came() -> None:
    bomb = b"\x1f\x8b\x08\x00" + b"\x00" * 100
    answer = answered(says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 104\r\n\r\n" + bomb))
    assert answer.body == bomb


def test_headers_are_limited_and_clean() -> None:
    lines = [f"X-{number}: {'y' * 2000}" for number in range(60)]
    raw = "\r\n".join(["HTTP/1.1 200 O\x00K", "X-Odd: a\x00b\x1b[31m\r\n folded", *lines, "Content-Length: 0", "", ""])
    answer = answered(says(raw.encode()))
    assert answer.reason == "O K"
    assert len(answer.headers) == 50
    assert answer.headers[0] == ("X-Odd", "a b [31m folded")
    assert {len(value) for _, value in answer.headers[1:]} == {1024}


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00" + bytes(range(256)),
        b"\x00" * 4096 + b"\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"y" * 100_000 + b"\r\n\r\n",
        b"x" * 10_000_000,
        b"HTTP/1.1 103 Hints\r\n\r\n" * 50_000,
    ],
    ids=[
        "text",
        "binary",
        "nul",
        "status",
        "status-range",
        "version",
        "icy",
        "100-headers",
        "long-header",
        "10-mb",
        "hints",
    ],
)
def test_what_is_not_http_is_said_to_be_so(raw: bytes) -> None:
    failure = failed(says(raw))
    assert failure.kind == FailureKind.PROTOCOL
    assert failure.message == "not an HTTP answer. What came from 127.0.0.1 cannot be read as HTTP."


@pytest.mark.parametrize("size", [b"-1", b"-5", b"ffffffffffffffffffff", b"zz"])
def test_chunk_sizes_out_of_their_mind_cost_little(size: bytes) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + b"x" * 1_000_000
    tracemalloc.start()
    answer = exchange(says(raw))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(answer, Response) or answer.kind == FailureKind.RESET
    assert peak < 4_000_000


def test_tiny_chunks_without_end_are_a_long_body() -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200_000
    answer = answered(says(raw))
    assert (len(answer.body), answer.truncated) == (8192, True)


# Connections that end badly


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(
    ("raw", "ending", "words"),
    [
        (b"", reset, "hung up without an answer"),
        (b"", socket.socket.close, "hung up without an answer"),
        (b"", lambda connection: connection.shutdown(socket.SHUT_WR), "hung up without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", socket.socket.close, "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", socket.socket.close, "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", reset, "broke off"),
    ],
    ids=["reset", "closed", "half-closed", "short-body", "short-chunk", "reset-in-body"],
)
def test_a_connection_that_ends_early_is_closed(raw: bytes, ending: Callable[[Any], None], words: str) -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        connection.sendall(raw)
        if raw:
            time.sleep(0.1)  # a reset may overtake what was sent before it
        ending(connection)

    failure = failed(script)
    assert failure.kind == FailureKind.RESET
    assert words in failure.message
    assert failure.sent_ms is not None


def test_nobody_listens() -> None:
    with receiving(says(OK)) as receiver:
        door = door_to(receiver)
    answer = door.send(post(receiver.url), deadline=5)
    assert isinstance(answer, Failure)
    assert answer.kind == FailureKind.REFUSED
    assert answer.sent_ms is None


# Time


def test_silence_is_cut_at_the_deadline() -> None:
    failure = failed(lambda connection, request, number: time.sleep(4), deadline=0.5)
    assert failure.kind == FailureKind.TIMEOUT
    assert failure.message == "timed out. No answer was received within 0.5 s."
    assert 500 <= failure.duration_ms < 1000


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["status", "header", "body", "body-until-close", "chunk-size"],
)
def test_a_slow_drip_is_cut_at_the_deadline(start: bytes) -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        connection.sendall(start)
        for _ in range(100):
            connection.sendall(b"0")
            time.sleep(0.05)

    failure = failed(script, deadline=0.6)
    assert failure.kind == FailureKind.TIMEOUT
    assert failure.message == "timed out. The answer was not complete within 0.6 s."
    assert 600 <= failure.duration_ms < 1100


def test_a_receiver_that_does_not_read_is_cut_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        request = post(f"http://127.0.0.1:{port}/", body=b"x" * 50_000_000)
        answer = Door(AddressPolicy.parse([f"127.0.0.1:{port}"])).send(request, deadline=0.5)
    assert isinstance(answer, Failure)
    assert answer.kind == FailureKind.TIMEOUT
    assert answer.message == "timed out. The request could not be handed over within 0.5 s."
    assert 500 <= answer.duration_ms < 1000


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port where connecting neither succeeds nor fails."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = int(server.getsockname()[1])
        waiting = []
        for _ in range(8):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        time.sleep(0.1)
        yield port
        for one in waiting:
            one.close()


def test_connecting_is_cut_at_the_deadline() -> None:
    with full_backlog() as port:
        answer = Door(AddressPolicy.parse([f"127.0.0.1:{port}"])).send(post(f"http://127.0.0.1:{port}/"), deadline=0.5)
    assert isinstance(answer, Failure)
    assert answer.kind == FailureKind.TIMEOUT
    assert answer.duration_ms < 1000


def test_an_address_that_does_not_accept_leaves_time_for_the_next() -> None:
    with receiving(says(OK)) as receiver:
        door = Door(
            AddressPolicy.parse([f"hooks.example.com:{receiver.port}"]),
            resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"],
        )
        answer = door.send(post(f"http://hooks.example.com:{receiver.port}/"), deadline=2)
    assert isinstance(answer, Response)


def test_a_lookup_that_hangs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "LOOKUP_LIMIT", 0.3)
    release = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        release.wait(10)
        return ["93.184.216.34"]

    answer = Door(AddressPolicy(), resolve=hang).send(post("https://hooks.example.com/"), deadline=5)
    release.set()
    assert isinstance(answer, Failure)
    assert answer.kind == FailureKind.DNS
    assert answer.duration_ms < 800


def test_hanging_lookups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "LOOKUP_LIMIT", 0.2)
    monkeypatch.setattr(send, "LOOKUPS", 2)
    release = threading.Event()
    asked: list[str] = []

    def hang(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        release.wait(10)
        raise OSError

    door = Door(AddressPolicy(), resolve=hang)
    for _ in range(4):
        answer = door.send(post("https://hooks.example.com/"), deadline=5)
        assert isinstance(answer, Failure)
        assert answer.kind == FailureKind.DNS
    assert len(asked) == 2
    release.set()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "hooks.example.com has no address."),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "The name servers could not be asked"),
        (UnicodeError("label too long"), "hooks.example.com has no address."),
        (OSError("anything"), "hooks.example.com has no address."),
    ],
)
def test_names_without_an_address(error: Exception, words: str) -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise error

    answer = Door(AddressPolicy(), resolve=resolve).send(post("https://hooks.example.com/"), deadline=5)
    assert isinstance(answer, Failure)
    assert answer.kind == FailureKind.DNS
    assert answer.message.startswith(f"name not found. {words}")


def test_the_systems_resolver_is_asked() -> None:
    with receiving(says(OK)) as receiver:
        url = f"http://localhost:{receiver.port}/"
        answer = Door(AddressPolicy.parse([f"localhost:{receiver.port}"])).send(post(url), deadline=5)
    assert isinstance(answer, Response), answer


# Kept connections


def keeps(connection: socket.socket, request: bytes, number: int) -> None:
    connection.sendall(OK)


def test_a_connection_is_used_again() -> None:
    with receiving(keeps) as receiver:
        door = door_to(receiver)
        for _ in range(20):
            assert isinstance(door.send(post(receiver.url), deadline=5), Response)
        assert (receiver.connections, len(receiver.requests)) == (1, 20)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
        OK + b"HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
    ids=["close", "not-read-whole", "more-than-an-answer", "other-protocol"],
)
def test_a_connection_with_a_doubt_is_not(raw: bytes) -> None:
    with receiving(says(raw, then_close=False)) as receiver:
        door = door_to(receiver)
        for _ in range(3):
            answer = door.send(post(receiver.url), deadline=5)
            assert isinstance(answer, Response)
            assert answer.status != 500
        assert receiver.connections == 3


def test_a_connection_that_the_server_closed_is_replaced() -> None:
    with receiving(says(OK)) as receiver:  # promises to keep it and hangs up
        door = door_to(receiver)
        for _ in range(5):
            assert isinstance(door.send(post(receiver.url), deadline=5), Response)
            time.sleep(0.02)
        assert len(receiver.requests) == 5


def test_a_kept_connection_that_dies_under_the_request_is_replaced_once() -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        if number == 1:
            reset(connection)
        else:
            connection.sendall(OK)

    with receiving(script) as receiver:
        door = door_to(receiver)
        answers = [door.send(post(receiver.url), deadline=5) for _ in range(3)]
        assert all(isinstance(answer, Response) for answer in answers)
        assert (receiver.connections, len(receiver.requests)) == (2, 4)
        assert receiver.requests[1] == receiver.requests[2]


def test_and_not_twice() -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        if number:
            reset(connection)
        else:
            connection.sendall(OK)

    with receiving(script) as receiver:
        door = door_to(receiver)
        assert isinstance(door.send(post(receiver.url), deadline=5), Response)
        answer = door.send(post(receiver.url), deadline=5)
        assert isinstance(answer, Failure)
        assert answer.kind == FailureKind.RESET
        assert (receiver.connections, len(receiver.requests)) == (2, 3)


def test_and_not_when_a_byte_of_the_answer_came() -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        connection.sendall(b"H" if number else OK)
        if number:
            connection.close()

    with receiving(script) as receiver:
        door = door_to(receiver)
        assert isinstance(door.send(post(receiver.url), deadline=5), Response)
        assert isinstance(door.send(post(receiver.url), deadline=5), Failure)
        assert (receiver.connections, len(receiver.requests)) == (1, 2)


def test_and_not_on_silence() -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        if number:
            time.sleep(2)
        else:
            connection.sendall(OK)

    with receiving(script) as receiver:
        door = door_to(receiver)
        assert isinstance(door.send(post(receiver.url), deadline=5), Response)
        answer = door.send(post(receiver.url), deadline=0.3)
        assert isinstance(answer, Failure)
        assert answer.kind == FailureKind.TIMEOUT
        assert len(receiver.requests) == 2


def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.outbound.connection.KEEP_SECONDS", 0.05)
    with receiving(keeps) as receiver, receiving(keeps) as other:
        door = door_to(receiver, other)
        door.send(post(receiver.url), deadline=5)
        time.sleep(0.1)
        door.send(post(other.url), deadline=5)
        until = time.monotonic() + 2
        while receiver.open[0].fileno() >= 0:  # the receiver closes its end when ours is closed
            assert time.monotonic() < until
            time.sleep(0.01)


def test_an_idle_connection_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(keeps) as receiver:
        door = door_to(receiver)
        door.send(post(receiver.url), deadline=5)
        monkeypatch.setattr("webhooks.outbound.connection.KEEP_SECONDS", 0.0)
        door.send(post(receiver.url), deadline=5)
        assert receiver.connections == 2


def test_a_kept_connection_is_left_when_the_name_moves() -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.2"]])
    with receiving(keeps) as receiver:
        policy = AddressPolicy.parse([f"hooks.example.com:{receiver.port}"])
        door = Door(policy, resolve=lambda host, port: next(answers))
        url = f"http://hooks.example.com:{receiver.port}/"
        assert all(isinstance(door.send(post(url), deadline=5), Response) for _ in range(3))
        assert receiver.connections == 1
        moved = door.send(post(url), deadline=5)
        assert isinstance(moved, Failure)
        assert moved.kind == FailureKind.REFUSED


def test_many_hosts_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "HOSTS", 3)
    with receiving(keeps) as receiver:
        names = [f"h{number}.example.com" for number in range(12)]
        policy = AddressPolicy.parse([f"{name}:{receiver.port}" for name in names])
        door = Door(policy, resolve=lambda host, port: ["127.0.0.1"])
        before = len(os.listdir("/proc/self/fd"))
        for name in names:
            assert isinstance(door.send(post(f"http://{name}:{receiver.port}/"), deadline=5), Response)
        receiver.close()
        assert len(os.listdir("/proc/self/fd")) <= before + 3


def test_many_threads_share_one_door() -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        body = request.partition(b"\r\n\r\n")[2]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    wrong: list[object] = []
    with receiving(script) as receiver:
        door = door_to(receiver)

        def work(name: int) -> None:
            for number in range(60):
                body = f"{name}-{number}".encode()
                answer = door.send(post(receiver.url, body=body), deadline=10)
                if not isinstance(answer, Response) or answer.body != body:
                    wrong.append(answer)
                if number % 10 == 0:
                    door.poolmanager.close_idle()

        threads = [threading.Thread(target=work, args=(name,)) for name in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(receiver.requests) == 720
        assert receiver.connections <= 40


def test_garbage_for_long_does_not_grow_memory() -> None:
    with receiving(says(b"x" * 200_000)) as receiver:
        door = door_to(receiver)
        for _ in range(20):
            door.send(post(receiver.url), deadline=5)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(100):
            assert isinstance(door.send(post(receiver.url), deadline=5), Failure)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


# The cut from outside


@contextmanager
def in_flight(door: Door, request: Request) -> Iterator[list[Response | Failure]]:
    """A send in another thread; when the block ends, its result is in the list."""
    answers: list[Response | Failure] = []
    thread = threading.Thread(target=lambda: answers.append(door.send(request, deadline=10)))
    thread.start()
    time.sleep(0.2)
    began = time.monotonic()
    yield answers
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - began < 1


def is_interrupted(answers: list[Response | Failure]) -> bool:
    return [isinstance(answer, Failure) and answer.kind == FailureKind.INTERRUPTED for answer in answers] == [True]


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\nhalf"], ids=["before", "head", "body"]
)
def test_a_cut_interrupts_a_slow_answer(start: bytes) -> None:
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        connection.sendall(start)
        time.sleep(3)

    with receiving(script) as receiver:
        door = door_to(receiver)
        with in_flight(door, post(receiver.url)) as answers:
            door.cut()
    assert is_interrupted(answers)


def test_a_cut_interrupts_sending() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        door = Door(AddressPolicy.parse([f"127.0.0.1:{port}"]))
        with in_flight(door, post(f"http://127.0.0.1:{port}/", body=b"x" * 50_000_000)) as answers:
            door.cut()
    assert is_interrupted(answers)


def test_a_cut_interrupts_connecting() -> None:
    with full_backlog() as port:
        door = Door(AddressPolicy.parse([f"127.0.0.1:{port}"]))
        with in_flight(door, post(f"http://127.0.0.1:{port}/")) as answers:
            door.cut()
    assert is_interrupted(answers)


def test_a_cut_interrupts_a_handshake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        door = Door(AddressPolicy.parse([f"127.0.0.1:{port}"]))
        with in_flight(door, post(f"https://127.0.0.1:{port}/")) as answers:
            door.cut()
    assert is_interrupted(answers)


def test_a_cut_interrupts_a_lookup() -> None:
    release = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        release.wait(10)
        return []

    door = Door(AddressPolicy(), resolve=hang)
    with in_flight(door, post("https://hooks.example.com/")) as answers:
        door.cut()
    release.set()
    assert is_interrupted(answers)


def test_after_a_cut_the_door_is_open_again() -> None:
    with receiving(keeps) as receiver:
        door = door_to(receiver)
        door.send(post(receiver.url), deadline=5)
        door.cut()
        assert isinstance(door.send(post(receiver.url), deadline=5), Response)


# TLS


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.file = folder / "ca.pem"
        certificate = self._sign(self.name, self.key.public_key(), [], days=1, authority=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """A server's context with a certificate for these names and addresses, valid for so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives: list[x509.GeneralName] = []
        for name in names:
            with suppress(ValueError):
                alternatives.append(x509.IPAddress(ip_address(name)))
                continue
            alternatives.append(x509.DNSName(name))
        certificate = self._sign(subject, key.public_key(), alternatives, days)
        file = self.folder / f"server-{time.monotonic_ns()}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self, subject: x509.Name, key: Any, names: list[x509.GeneralName], days: int, *, authority: bool = False
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=3))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def over_tls(context: ssl.SSLContext, ca_file: Path | None) -> tuple[Response | Failure, Receiver]:
    with receiving(keeps, context) as receiver:
        door = Door(
            AddressPolicy.parse([f"hooks.example.com:{receiver.port}"]),
            resolve=lambda host, port: ["127.0.0.1"],
            ca_file=str(ca_file) if ca_file else None,
        )
        request = post(f"https://hooks.example.com:{receiver.port}/in")
        first = door.send(request, deadline=5)
        if isinstance(first, Response):
            assert isinstance(door.send(request, deadline=5), Response)
            assert receiver.connections == 1
        return first, receiver


def test_host_sni_and_certificate_go_by_the_name(authority: Authority) -> None:
    context = authority.server("hooks.example.com")
    asked: list[str | None] = []
    context.sni_callback = lambda sock, name, _: asked.append(name)
    answer, receiver = over_tls(context, authority.file)
    assert isinstance(answer, Response), answer
    assert asked == ["hooks.example.com"]
    assert b"\r\nHost: hooks.example.com:%d\r\n" % receiver.port in receiver.requests[0]


def test_a_large_request_and_answer_over_tls(authority: Authority) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    with receiving(says(raw), authority.server("127.0.0.1")) as receiver:
        request = post(f"https://127.0.0.1:{receiver.port}/", body=b"y" * 1_000_000)
        answer = door_to(receiver, ca_file=str(authority.file)).send(request, deadline=5)
        assert isinstance(answer, Response), answer
        assert (answer.size, answer.truncated) == (65536, True)
        assert receiver.requests[0].endswith(b"y" * 1_000_000)


@pytest.mark.parametrize(
    ("names", "days", "trusted", "words"),
    [
        (["hooks.example.com"], 1, False, "unable to get local issuer certificate"),
        (["127.0.0.1"], 1, True, "not valid for 'hooks.example.com'"),
        (["example.com"], 1, True, "not valid for 'hooks.example.com'"),
        (["hooks.example.com"], -1, True, "certificate has expired"),
    ],
    ids=["unknown-authority", "for-the-address-only", "for-another-name", "expired"],
)
def test_a_certificate_that_does_not_hold(
    authority: Authority, names: list[str], days: int, trusted: bool, words: str
) -> None:
    answer, receiver = over_tls(authority.server(*names, days=days), authority.file if trusted else None)
    assert isinstance(answer, Failure)
    assert answer.kind == FailureKind.TLS
    assert answer.message.startswith("TLS failed. The certificate of hooks.example.com is not accepted: ")
    assert words in answer.message
    assert "127.0.0.1" not in answer.message
    assert receiver.requests == []


def test_tls_below_1_2_is_refused(authority: Authority) -> None:
    context = authority.server("hooks.example.com")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    answer, receiver = over_tls(context, authority.file)
    assert isinstance(answer, Failure)
    assert answer.kind == FailureKind.TLS
    assert "TLS 1.2" in answer.message
    assert receiver.requests == []


def test_http_on_a_tls_port_is_a_tls_failure() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]

    def answer_in_plain() -> None:
        connection, _ = server.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    threading.Thread(target=answer_in_plain, daemon=True).start()
    answer = Door(AddressPolicy.parse([f"127.0.0.1:{port}"])).send(post(f"https://127.0.0.1:{port}/"), deadline=5)
    server.close()
    assert isinstance(answer, Failure)
    assert answer.kind == FailureKind.TLS
    assert answer.message.endswith("or the port may speak plain http only.")


# The corpus of forbidden addresses

ELSEWHERE = {"header", "loop"}  # what staff may add and whom they may name: compose, the form
BY_SETTINGS = {"dns_own_public_ip", "env_explicit_proxy"}  # of the program: test_guard
REAL = {"redirect", "tls"}  # against receivers
STUBBED = [case for case in CORPUS if case["group"] not in ELSEWHERE | REAL and case["case"] not in BY_SETTINGS]


class Stub:
    """A door whose resolver answers as the case says and that connects to nobody."""

    def __init__(self, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, require_https: bool) -> None:
        self.connected: list[str] = []
        self.lookups = 0
        self.sequence = case.get("resolved_sequence") or [case.get("resolved", ["93.184.216.34"])]

        def connect(connection: Any, address: str, this: Any, within: float) -> socket.socket:
            self.connected.append(address)
            raise ConnectionRefusedError

        monkeypatch.setattr(Guarded, "_connect", connect)
        policy = AddressPolicy.parse(case.get("allowlist", []), require_https=require_https)
        self.door = Door(policy, resolve=self.resolve)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        self.lookups += 1
        return list(self.sequence[(self.lookups - 1) % len(self.sequence)])


@pytest.mark.parametrize("require_https", [True, False], ids=["https", "any"])
@pytest.mark.parametrize("case", STUBBED, ids=lambda case: case["case"])
def test_corpus(case: dict[str, Any], require_https: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)
    if case["case"] == "allowlist_garbage":
        with pytest.raises(ValueError, match="WEBHOOK_ALLOWLIST"):
            AddressPolicy.parse(case["allowlist"])
        return
    if case.get("policy") == "require_https" and not require_https:
        case = {**case, "expect": "allow"}
    stub = Stub(case, monkeypatch, require_https=require_https)
    answers = [stub.door.send(post(case["url"]), deadline=5) for _ in stub.sequence]
    assert stub.lookups <= len(answers)
    seen = {address for addresses in stub.sequence for address in addresses}
    if case["expect"] == "allow":
        assert [answer.kind for answer in answers if isinstance(answer, Failure)] == [FailureKind.REFUSED]
        assert stub.connected
        return
    forbidden = {FailureKind.BLOCKED_ADDRESS, FailureKind.BLOCKED_URL}
    if case.get("failure"):
        forbidden = {FailureKind.DNS}
    if case["group"] == "rebinding":
        # Each try looks up once and stands or falls with that: only the public ones were connected to.
        assert stub.lookups == len(answers)
        assert set(stub.connected) <= {"93.184.216.34"}
        answers = [answer for answer, found in zip(answers, stub.sequence, strict=True) if found != ["93.184.216.34"]]
    else:
        assert stub.connected == []
    assert answers
    for answer in answers:
        assert isinstance(answer, Failure)
        assert answer.kind in forbidden
        assert not any(address in answer.message for address in seen if address not in case["url"])


@pytest.mark.parametrize(
    "case", [case for case in CORPUS if case["group"] == "redirect"], ids=lambda case: case["case"]
)
def test_corpus_redirects(case: dict[str, Any]) -> None:
    location = f"Location: {case['location']}\r\n" if case["location"] else "Refresh: 0;url=http://127.0.0.1/\r\n"
    raw = f"HTTP/1.1 {case['response_status']} X\r\n{location}Content-Length: 0\r\n\r\n".encode()
    with receiving(says(raw)) as receiver:
        answer = door_to(receiver).send(post(receiver.url), deadline=5)
        assert isinstance(answer, Response)
        assert answer.status == case["response_status"]
        assert not any("\n" in value or "\r" in value for _, value in answer.headers)
        assert len(receiver.requests) == case["assert_requests_sent"]


def test_several_requests_are_on_their_way_and_answers_are_read_as_they_come():
    def script(connection: socket.socket, request: bytes, number: int) -> None:
        time.sleep(0.3 if b"/slow" in request else 0.0)
        connection.sendall(OK)

    with receiving(script) as receiver:
        door = door_to(receiver)
        slow, quick = (
            door.begin(post(f"http://127.0.0.1:{receiver.port}/{name}"), deadline=5) for name in ("slow", "quick")
        )
        assert first_ready([slow, quick]) == [quick]
        assert isinstance(quick.finish(), Response)
        assert first_ready([slow]) == [slow]
        answer = slow.finish()
    assert isinstance(answer, Response)
    assert answer.duration_ms >= 300


def test_what_has_come_in_time_is_an_answer_however_late_it_is_read():
    with receiving(says(OK, then_close=False)) as receiver:
        exchange = door_to(receiver).begin(post(receiver.url), deadline=0.3)
        time.sleep(0.5)
        assert first_ready([exchange, exchange]) == [exchange]
        answer = exchange.finish()
    assert isinstance(answer, Response)
    assert answer.body == b"ok"


def test_one_whose_time_is_up_is_ready_though_nothing_came():
    with receiving(lambda connection, request, number: time.sleep(2)) as receiver:
        door = door_to(receiver)
        brief, patient = (door.begin(post(receiver.url), deadline=deadline) for deadline in (0.3, 5))
        began = time.monotonic()
        assert first_ready([brief, patient]) == [brief]
        answer = brief.finish()
        assert time.monotonic() - began < 1
        door.cut()
        cut = patient.finish()
    assert isinstance(answer, Failure) and answer.kind is FailureKind.TIMEOUT
    assert isinstance(cut, Failure) and cut.kind is FailureKind.INTERRUPTED
