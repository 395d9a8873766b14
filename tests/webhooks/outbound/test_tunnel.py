"""The way out by WEBHOOK_EGRESS_PROXY, against a proxy that does as proxies do, or as it is told."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.receiver import Receiver
from tests.webhooks.outbound.test_send import Authority, keeps, receiving
from webhooks.outbound.address import AddressPolicy, parse_proxy
from webhooks.outbound.send import Door
from webhooks.wire.exchange import Failure, FailureKind, Request, Response

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Proxy:
    """Answers CONNECT; after a 200 it joins the connection with `leads_to`, wherever it was asked to lead."""

    def __init__(self, answer: bytes, leads_to: int) -> None:
        self.answer = answer
        self.leads_to = leads_to
        self.heads: list[bytes] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = connection.recv(65536)
            if not piece:
                return
            head += piece
        self.heads.append(head)
        connection.sendall(self.answer)
        if not self.answer.startswith(b"HTTP/1.1 200") or not self.leads_to:
            connection.close()
            return
        with socket.create_connection(("127.0.0.1", self.leads_to)) as onward:
            threading.Thread(target=_pass_on, args=(onward, connection), daemon=True).start()
            _pass_on(connection, onward)


def _pass_on(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)


@contextmanager
def proxying(answer: bytes = OPENED, leads_to: int = 0) -> Iterator[Proxy]:
    proxy = Proxy(answer, leads_to)
    try:
        yield proxy
    finally:
        with suppress(OSError):
            proxy.server.shutdown(socket.SHUT_RDWR)
        proxy.server.close()


def door_by(port: int, *found: str, ca_file: Path | None = None) -> Door:
    return Door(
        AddressPolicy(),
        resolve=lambda host, port: found or ("93.184.216.34",),
        ca_file=str(ca_file) if ca_file else None,
        proxy=parse_proxy(f"http://127.0.0.1:{port}"),
    )


def post(url: str) -> Request:
    return Request("POST", url, (("webhook-id", "msg_1"),), b"{}")


def refused(answer: bytes) -> Failure:
    with proxying(answer) as proxy:
        exchange = door_by(proxy.port).send(post("https://hooks.example.com/in"), deadline=5)
    assert isinstance(exchange, Failure)
    assert exchange.message.startswith(f"{exchange.kind.words}. ")
    assert "93.184.216.34" not in exchange.message
    return exchange


def test_https_goes_to_the_checked_address_by_the_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context: ssl.SSLContext = authority.server("hooks.example.com")
    asked: list[str | None] = []
    context.sni_callback = lambda sock, name, _: asked.append(name)
    with receiving(keeps, context) as receiver, proxying(leads_to=receiver.port) as proxy:
        door = door_by(proxy.port, ca_file=authority.file)
        for _ in range(2):
            answer = door.send(post("https://hooks.example.com/in"), deadline=5)
            assert isinstance(answer, Response), answer
        assert proxy.heads == [b"CONNECT 93.184.216.34:443 HTTP/1.1\r\nHost: hooks.example.com:443\r\n\r\n"]
        assert asked == ["hooks.example.com"]
        assert len(receiver.requests) == 2
        # What the proxy is told is not what the receiver is sent, and the other way round.
        assert receiver.requests[0].startswith(b"POST /in HTTP/1.1\r\nHost: hooks.example.com\r\n")


def test_a_certificate_is_checked_behind_a_proxy_too(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        receiving(keeps, authority.server("other.example.com")) as receiver,
        proxying(leads_to=receiver.port) as proxy,
    ):
        answer = door_by(proxy.port, ca_file=authority.file).send(post("https://hooks.example.com/"), deadline=5)
        assert isinstance(answer, Failure)
        assert answer.kind == FailureKind.TLS
        assert receiver.requests == []


def test_http_goes_the_same_way(receiver: Receiver) -> None:
    with proxying(leads_to=receiver.port) as proxy:
        answer = door_by(proxy.port, "2606:4700::1111").send(post("http://hooks.example.com:8080/in"), deadline=5)
        assert isinstance(answer, Response)
        assert proxy.heads == [b"CONNECT [2606:4700::1111]:8080 HTTP/1.1\r\nHost: hooks.example.com:8080\r\n\r\n"]
    assert receiver.received[0].header("Host") == "hooks.example.com:8080"


def test_what_is_forbidden_does_not_even_reach_the_proxy() -> None:
    with proxying() as proxy:
        answer = door_by(proxy.port, "10.0.0.5").send(post("https://hooks.example.com/"), deadline=5)
        assert isinstance(answer, Failure)
        assert answer.kind == FailureKind.BLOCKED_ADDRESS
        assert proxy.heads == []


@pytest.mark.parametrize("code", [403, 407])
def test_a_denial_of_the_proxy_is_a_blocked_address(code: int) -> None:
    failure = refused(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % code)
    assert failure.kind == FailureKind.BLOCKED_ADDRESS
    assert "egress proxy refuses hooks.example.com" in failure.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "it answered 502"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", "it answered 302"),
        (b"", "did not answer as a proxy does"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "did not answer as a proxy does"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000, "did not answer as a proxy does"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}", "did not answer as a proxy does"),
    ],
    ids=["502", "302", "silence", "no-http", "endless", "too-much"],
)
def test_a_proxy_that_does_not_do_its_part(answer: bytes, words: str) -> None:
    failure = refused(answer)
    assert failure.kind == FailureKind.REFUSED
    assert words in failure.message


def test_a_proxy_that_is_not_there() -> None:
    with proxying() as proxy:
        pass
    answer = door_by(proxy.port).send(post("https://hooks.example.com/"), deadline=5)
    assert isinstance(answer, Failure)
    assert answer.message == "connection refused. The egress proxy does not answer."


def test_a_proxy_without_an_address_is_not_taken_for_the_receiver() -> None:
    door = Door(
        AddressPolicy(),
        resolve=lambda host, port: ["93.184.216.34"] if host == "hooks.example.com" else [],
        proxy=parse_proxy("http://smokescreen:4750"),
    )
    answer = door.send(post("https://hooks.example.com/"), deadline=5)
    assert isinstance(answer, Failure)
    assert answer.message == "connection refused. The egress proxy has no address."


def test_the_deadline_holds_for_the_proxy_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = door_by(silent.getsockname()[1]).send(post("https://hooks.example.com/"), deadline=0.5)
    assert isinstance(answer, Failure)
    assert answer.kind == FailureKind.TIMEOUT
    assert 500 <= answer.duration_ms < 1500
