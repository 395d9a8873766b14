"""The one door through which HTTP leaves the program: guarded, without redirects or proxies, and always in time.

requests' adapter owns the pools, which makes this fast to keep; its own send is passed by, which makes it fast to run:
the request is written to the guarded connection, and http.client's parser reads the answer (answer.py).
"""

from __future__ import annotations

import errno
import http.client
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import certifi
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool

from webhooks.outbound import answer
from webhooks.outbound.address import AddressPolicy, Blocked, Target, parse_url
from webhooks.outbound.clock import Clock
from webhooks.outbound.connection import Guarded, Pools, Through, trusting
from webhooks.outbound.header import OURS
from webhooks.outbound.tunnel import ProxyFault
from webhooks.wire.exchange import Failure, FailureKind, Request, Response

__all__ = ["AddressPolicy", "Door", "Exchange"]

LOOKUP_LIMIT = 5.0
"""Seconds for a name's addresses; the resolver's own patience is longer and cannot be set."""
LOOKUPS = 64
"""Names being looked up at once. A lookup that hangs cannot be stopped, only left alone."""
HOSTS = 32
PER_HOST = 32

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NO_CONTROLS = bytes(byte for byte in range(256) if not answer.CONTROLS.match(chr(byte)))

logger = logging.getLogger(__name__)

Resolve = Callable[[str, int], Sequence[str]]


def lookup(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, in the order in which the system prefers them. OSError when there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class Door(HTTPAdapter):
    """Sends requests; any number of threads may share one.

    `resolve` is the system's resolver, except in tests. `ca_file` holds the certificates that are trusted; that they
    are checked cannot be turned off. `proxy` is the operator's, through which then everything goes.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        resolve: Resolve = lookup,
        ca_file: str | None = None,
        proxy: Target | None = None,
    ) -> None:
        self.policy = policy
        self.proxy = proxy
        self._resolve = resolve
        self._tls = trusting(ca_file or certifi.where())
        self._lock = threading.Lock()
        self._lookups = threading.BoundedSemaphore(LOOKUPS)
        self._live: set[Exchange] = set()
        super().__init__(pool_connections=HOSTS, pool_maxsize=PER_HOST)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager: Pools = Pools(num_pools=connections, maxsize=maxsize, block=block, ssl_context=self._tls)

    def send(self, request: Request, *, deadline: float) -> Response | Failure:  # type: ignore[override]
        """One exchange, at most `deadline` seconds from the name lookup to the answer's last byte. Never raises.

        A redirect is an answer like any other. The environment's proxies and certificates are not looked at.
        """
        return self.begin(request, deadline=deadline).finish()

    def begin(self, request: Request, *, deadline: float) -> Exchange:
        """Send a request whose answer is read later; several may be on their way. Never raises: finish() tells."""
        exchange = Exchange(self, request, deadline)
        with self._lock:
            self._live.add(exchange)
        exchange.begin()
        return exchange

    def ended(self, exchange: Exchange) -> None:
        with self._lock:
            self._live.discard(exchange)
        self.poolmanager.tidy()

    def cut(self) -> None:
        """End every exchange that is in flight now: their sends return Failure(interrupted). For another thread."""
        with self._lock:
            live = list(self._live)
        for exchange in live:
            exchange.cut()

    def through(self, target: Target, clock: Clock) -> Through | None:
        """The way by the operator's proxy, if there is one; no policy asks where that is."""
        proxy = self.proxy
        if proxy is None:
            return None
        try:
            addresses = (proxy.host,) if proxy.literal else self.look_up(proxy, clock)
        except _NoName as error:
            raise ProxyFault("The egress proxy has no address.") from error
        return Through(addresses[0], proxy.port, target)

    def look_up(self, target: Target, clock: Clock) -> Sequence[str]:
        """Ask the resolver in a thread, as nothing else can end its waiting."""
        within = min(LOOKUP_LIMIT, clock.left())
        clock.woken = woken = threading.Event()
        clock.check()  # for a cut that found nothing to wake
        if not self._lookups.acquire(blocking=False):
            raise _NoName(f"Too many names are being looked up to ask for {target.host}.")
        found: list[Sequence[str] | Exception] = []

        def look() -> None:
            try:
                found.append(tuple(self._resolve(target.host, target.port)))
            except Exception as error:
                found.append(error)
            finally:
                self._lookups.release()
                woken.set()

        try:
            threading.Thread(target=look, name="lookup", daemon=True).start()
        except RuntimeError:
            self._lookups.release()
            raise
        woken.wait(within)
        clock.check()
        if not found:
            raise _NoName(f"The name servers said nothing about {target.host} within {within:.2g} s.")
        answer = found[0]
        if isinstance(answer, socket.gaierror) and answer.errno == socket.EAI_AGAIN:
            raise _NoName(f"The name servers could not be asked for {target.host}.")
        if isinstance(answer, Exception) or not answer:
            raise _NoName(f"{target.host} has no address. Check the host in Webhook URL.")
        return answer


class Exchange:
    """A request and its answer: `begin` sends the one, `finish` reads the other. Made by Door.begin.

    While a thread reads another answer, this one's may come: what has come by then is read whatever the clock says.
    """

    def __init__(self, door: Door, request: Request, deadline: float) -> None:
        self._door = door
        self._request = request
        self._clock = Clock(deadline)
        self._target: Target | None = None
        self._head = b""
        self._addresses: Sequence[str] = ()
        self._pool: HTTPConnectionPool | None = None
        self._connection: Guarded | None = None
        # The connection served an earlier exchange.
        self._kept = False
        # Why the request did not leave whole: there may be an answer all the same.
        self._broken: ConnectionError | None = None
        self._failure: Failure | None = None

    def begin(self) -> None:
        try:
            self._send()
        except Exception as error:
            self._fail(error)

    def finish(self) -> Response | Failure:
        """The answer, or why there is none; waits for it as long as there is time. Never raises."""
        if self._failure is None:
            try:
                response, reusable = self._answer()
                self._end(reusable)
                return response
            except Exception as error:
                self._fail(error)
        assert self._failure is not None
        return self._failure

    def cut(self) -> None:
        self._clock.cut()

    @property
    def until(self) -> float:
        """When its time is up (time.monotonic())."""
        return self._clock.until

    def fileno(self) -> int:
        """Of the socket on which the answer comes; -1 when finish() will not wait for one."""
        sock = self._clock.sock
        return -1 if sock is None or self._failure or self._broken else sock.fileno()

    def _send(self) -> None:
        door, request, clock = self._door, self._request, self._clock
        self._target = target = parse_url(request.url)
        door.policy.check_target(target)
        # Once per try, kept connection or not: a name that has moved to a forbidden address is refused at once, and
        # what was checked is what is connected to.
        self._addresses = (target.host,) if target.literal else door.look_up(target, clock)
        door.policy.check_addresses(target, self._addresses)
        self._head = _head(request, target)
        self._pool = door.poolmanager.pool(target)
        connection = self._pool._get_conn()
        assert isinstance(connection, Guarded)
        self._connection = connection
        self._kept = connection.is_fit(self._addresses)
        if not self._kept:
            self._open()
        self._hand_over()

    def _open(self) -> None:
        assert self._connection is not None and self._target is not None
        self._connection.close()
        self._clock.sent_ms = None
        self._connection.through = self._door.through(self._target, self._clock)
        self._connection.open(self._addresses, self._clock)

    def _hand_over(self) -> None:
        assert self._connection is not None and self._connection.sock is not None
        self._clock.hold(self._connection.sock)
        try:
            _send(self._connection.sock, self._head + self._request.body, self._clock)
            self._clock.sent_ms = self._clock.elapsed_ms()
        except (BrokenPipeError, ConnectionResetError) as broken:
            # A receiver that refuses a request by its head may answer and hang up before it has read the rest.
            self._broken = broken

    def _answer(self) -> tuple[Response, bool]:
        assert self._connection is not None
        try:
            return answer.read(self._connection.sock, self._request.method, self._clock, self._broken)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # The server hung up on a kept connection, most likely before our bytes came. It cannot be known; but the
            # engine would send this again after a wait anyway, with the same webhook-id, so that sending it again now
            # risks no repetition that was not risked already. Once, and not when a single byte of an answer came: then
            # somebody has read us.
            if not self._kept or self._clock.received or self._clock.was_cut:
                raise
        self._broken = None
        self._open()
        self._hand_over()
        return answer.read(self._connection.sock, self._request.method, self._clock, self._broken)

    def _fail(self, error: Exception) -> None:
        self._end(reusable=False)
        kind, message = _classify(error, self._target, self._clock)
        self._failure = Failure(kind, message, self._clock.elapsed_ms(), self._clock.sent_ms)

    def _end(self, reusable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._pool is not None:
            if reusable:
                connection.used = time.monotonic()
            else:
                connection.close()
            self._pool._put_conn(connection)
        self._door.ended(self)


def _send(sock: socket.socket, data: bytes, clock: Clock) -> None:
    """Head and body together: two pieces would wake the receiver twice."""
    rest = memoryview(data)
    while rest:
        sock.settimeout(clock.left())
        rest = rest[sock.send(rest) :]


def _head(request: Request, target: Target) -> bytes:
    """Raises ValueError for what would become another header or another request; http.client lets some of it pass."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    if target.port != (443 if target.scheme == "https" else 80):
        host = f"{host}:{target.port}"
    headers = {name: value for name, value in request.headers if _is_sent(name)}
    lines = [f"{request.method} {target.path} HTTP/1.1", f"Host: {host}", "Accept-Encoding: identity"]
    lines += [f"Content-Length: {len(request.body)}", *[f"{name}: {value}" for name, value in headers.items()]]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    # All values at once, which takes a tenth of the time: the ends of our lines are its only control characters.
    if head.translate(None, _NO_CONTROLS) != b"\r\n" * (len(lines) + 1):
        raise ValueError("not a header")
    return head


@lru_cache(maxsize=1024)
def _is_sent(name: str) -> bool:
    """Whether a header of this name is the caller's to set. Raises ValueError for what is no name."""
    if not _NAME.fullmatch(name):
        raise ValueError("not a header")
    return name.lower() not in OURS


class _NoName(Exception):
    """No address to connect to; the argument says why."""


def _classify(error: Exception, target: Target | None, clock: Clock) -> tuple[FailureKind, str]:
    """What went wrong, in words for staff. No text of the operating system is passed on that could name an address."""
    kind, why = _explain(error, target.host if target else "", clock)
    return kind, str(error) if isinstance(error, Blocked) else f"{kind.words}. {why}"


def _explain(error: Exception, host: str, clock: Clock) -> tuple[FailureKind, str]:
    if clock.was_cut:
        return FailureKind.INTERRUPTED, "The worker was stopped before an answer came; the delivery goes out again."
    if isinstance(error, Blocked):
        return error.kind, ""
    if isinstance(error, _NoName):
        return FailureKind.DNS, str(error)
    if isinstance(error, ProxyFault):
        return FailureKind.REFUSED, str(error)
    if isinstance(error, TimeoutError):
        if clock.received:
            what = "The answer was not complete"
        elif clock.sent_ms is not None:
            what = "No answer was received"
        else:
            what = "The request could not be handed over"
        return FailureKind.TIMEOUT, f"{what} within {clock.deadline:g} s."
    if isinstance(error, ssl.SSLCertVerificationError):
        why = answer.one_line(error.verify_message).rstrip(".")
        return FailureKind.TLS, f"The certificate of {host} is not accepted: {why}."
    if isinstance(error, ssl.SSLError):
        why = "The receiver may have no TLS 1.2 or newer, or the port may speak plain http only."
        return FailureKind.TLS, f"No secure connection with {host} came about. {why}"
    if isinstance(error, ConnectionRefusedError):
        return FailureKind.REFUSED, f"Nothing answers at {host}. Check the host and port in Webhook URL."
    if isinstance(error, (ConnectionError, http.client.IncompleteRead)):
        came = "The answer broke off." if clock.received else f"{host} hung up without an answer."
        return FailureKind.RESET, came
    if isinstance(error, http.client.HTTPException):
        return FailureKind.PROTOCOL, f"What came from {host} cannot be read as HTTP."
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return FailureKind.REFUSED, f"{host} cannot be reached from here."
    if isinstance(error, ValueError):
        return FailureKind.UNKNOWN, "A header holds characters that HTTP does not allow."
    logger.error("a request was not sent: %s", type(error).__name__, exc_info=error)
    return FailureKind.UNKNOWN, f"This was not expected: {type(error).__name__}."
