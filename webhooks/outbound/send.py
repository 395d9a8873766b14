"""The one door through which HTTP leaves the program: guarded, without redirects or proxies, and always in time.

requests' adapter owns the pools, which makes this fast to keep; its send drives http.client on the guarded connection,
which makes it fast to run: Session.post costs five times the CPU.
"""

from __future__ import annotations

import errno
import http.client
import io
import logging
import math
import re
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from queue import Empty, Full
from typing import Any

import certifi
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from webhooks.outbound.address import AddressPolicy, Blocked, Target, parse_url
from webhooks.outbound.header import OURS
from webhooks.outbound.tunnel import ProxyFault, dig
from webhooks.wire.exchange import (
    KEPT_BODY,
    KEPT_HEADER_LENGTH,
    KEPT_HEADERS,
    Failure,
    FailureKind,
    Request,
    Response,
)

__all__ = ["AddressPolicy", "Door", "Exchange", "first_ready"]

LOOKUP_LIMIT = 5.0
"""Seconds for a name's addresses; the resolver's own patience is longer and cannot be set."""
LOOKUPS = 64
"""Names being looked up at once. A lookup that hangs cannot be stopped, only left alone."""
ADDRESSES_TRIED = 3
READ_LIMIT = 64 * 1024
"""Bytes of body that are read. Whoever sends more is hung up on."""
RAW_LIMIT = 256 * 1024
"""Bytes read in all: a head, or chunk sizes, without end are no answer."""
HOSTS = 32
PER_HOST = 32
KEEP_SECONDS = 4.0
"""How long an unused connection is kept. Many servers hang up after 5 s: a try is worth more than a handshake."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NO_CONTROLS = bytes(byte for byte in range(256) if not _CONTROLS.match(chr(byte)))

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
        self._tls = _trusting(ca_file or certifi.where())
        self._lock = threading.Lock()
        self._lookups = threading.BoundedSemaphore(LOOKUPS)
        self._live: set[Exchange] = set()
        self._tidied = time.monotonic()
        super().__init__(pool_connections=HOSTS, pool_maxsize=PER_HOST)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager: _Pools = _Pools(num_pools=connections, maxsize=maxsize, block=block, ssl_context=self._tls)

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
        if time.monotonic() - self._tidied > KEEP_SECONDS:
            self.close_idle()

    def cut(self) -> None:
        """End every exchange that is in flight now: their sends return Failure(interrupted). For another thread."""
        with self._lock:
            live = list(self._live)
        for exchange in live:
            exchange.cut()

    def close_idle(self) -> None:
        """Close connections that nobody used lately. Every few seconds send does so itself."""
        self._tidied = time.monotonic()
        for pool in self.poolmanager.living():
            _close_idle(pool, before=self._tidied - KEEP_SECONDS)

    def through(self, target: Target, this: _Try) -> _Through | None:
        """The way by the operator's proxy, if there is one; no policy asks where that is."""
        proxy = self.proxy
        if proxy is None:
            return None
        try:
            addresses = (proxy.host,) if proxy.literal else self.look_up(proxy, this)
        except _NoName as error:
            raise ProxyFault("The egress proxy has no address.") from error
        return _Through(addresses[0], proxy.port, target)

    def look_up(self, target: Target, this: _Try) -> Sequence[str]:
        """Ask the resolver in a thread, as nothing else can end its waiting."""
        within = min(LOOKUP_LIMIT, this.left())
        this.woken = woken = threading.Event()
        this.check()  # for a cut that found nothing to wake
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
        this.check()
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
        self._this = _Try(deadline)
        self._target: Target | None = None
        self._head = b""
        self._addresses: Sequence[str] = ()
        self._pool: HTTPConnectionPool | None = None
        self._connection: _Guarded | None = None
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
        self._this.cut()

    @property
    def until(self) -> float:
        """When its time is up (time.monotonic())."""
        return self._this.until

    def fileno(self) -> int:
        """Of the socket on which the answer comes; -1 when finish() will not wait for one."""
        sock = self._this.sock
        return -1 if sock is None or self._failure or self._broken else sock.fileno()

    def _send(self) -> None:
        door, request, this = self._door, self._request, self._this
        self._target = target = parse_url(request.url)
        door.policy.check_target(target)
        # Once per try, kept connection or not: a name that has moved to a forbidden address is refused at once, and
        # what was checked is what is connected to.
        self._addresses = (target.host,) if target.literal else door.look_up(target, this)
        door.policy.check_addresses(target, self._addresses)
        self._head = _head(request, target)
        self._pool = door.poolmanager.pool(target)
        connection = self._pool._get_conn()
        assert isinstance(connection, _Guarded)
        self._connection = connection
        self._kept = connection.is_fit(self._addresses)
        if not self._kept:
            self._open()
        self._hand_over()

    def _open(self) -> None:
        assert self._connection is not None and self._target is not None
        self._connection.close()
        self._this.sent_ms = None
        self._connection.through = self._door.through(self._target, self._this)
        self._connection.open(self._addresses, self._this)

    def _hand_over(self) -> None:
        assert self._connection is not None and self._connection.sock is not None
        self._this.hold(self._connection.sock)
        try:
            _send(self._connection.sock, self._head + self._request.body, self._this)
            self._this.sent_ms = self._this.elapsed_ms()
        except (BrokenPipeError, ConnectionResetError) as broken:
            # A receiver that refuses a request by its head may answer and hang up before it has read the rest.
            self._broken = broken

    def _answer(self) -> tuple[Response, bool]:
        assert self._connection is not None
        try:
            return _read(self._connection, self._request.method, self._this, self._broken)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # The server hung up on a kept connection, most likely before our bytes came. It cannot be known; but the
            # engine would send this again after a wait anyway, with the same webhook-id, so that sending it again now
            # risks no repetition that was not risked already. Once, and not when a single byte of an answer came: then
            # somebody has read us.
            if not self._kept or self._this.received or self._this.was_cut:
                raise
        self._broken = None
        self._open()
        self._hand_over()
        return _read(self._connection, self._request.method, self._this, self._broken)

    def _fail(self, error: Exception) -> None:
        self._end(reusable=False)
        kind, message = _classify(error, self._target, self._this)
        self._failure = Failure(kind, message, self._this.elapsed_ms(), self._this.sent_ms)

    def _end(self, reusable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._pool is not None:
            if reusable:
                connection.used = time.monotonic()
            else:
                connection.close()
            self._pool._put_conn(connection)
        self._door.ended(self)


def first_ready(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Those that finish() need not wait for: what has begun to answer, or has no time left. Waits for the first."""
    waiting = {exchange.fileno(): exchange for exchange in exchanges}
    if -1 in waiting or len(exchanges) == 1:
        return [exchange for exchange in exchanges if len(exchanges) == 1 or exchange.fileno() == -1]
    poll = select.poll()
    for number in waiting:
        poll.register(number, select.POLLIN)
    left = min(exchange.until for exchange in exchanges) - time.monotonic()
    found = poll.poll(max(math.ceil(left * 1000), 0))
    now = time.monotonic()
    return [waiting[number] for number, _ in found] or [one for one in exchanges if one.until <= now]


class _Try:
    """The clock of one exchange, and the handle by which another thread ends it."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.began = time.monotonic()
        self.until = self.began + deadline
        self.sent_ms: float | None = None
        self.received = 0
        """Bytes of the answer."""
        self.was_cut = False
        self.sock: socket.socket | None = None
        self.woken: threading.Event | None = None
        """Ends the waiting for a name's addresses."""

    def left(self) -> float:
        """Seconds left. Raises TimeoutError when there are none: a socket would take 0 for 'do not wait at all'."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def elapsed_ms(self) -> float:
        return (time.monotonic() - self.began) * 1000

    def hold(self, sock: socket.socket) -> None:
        """From now on a cut ends this socket."""
        self.sock = sock
        self.check()

    def check(self) -> None:
        if self.was_cut:
            raise _Cut

    def cut(self) -> None:
        self.was_cut = True
        if self.woken is not None:
            self.woken.set()
        if self.sock is not None:
            # Not close: its thread may be reading, and the descriptor could be another file's a moment later. Not
            # SSLSocket's shutdown either, which takes the TLS layer away from under that thread.
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _Cut(Exception):
    """The exchange was ended from outside."""


class _NoName(Exception):
    """No address to connect to; the argument says why."""


class _Endless(http.client.HTTPException):
    """More bytes came than any answer of ours needs."""


class _Reader(io.RawIOBase):
    """The socket for http.client to read, with the try's clock before each read: a socket's own timeout is per read."""

    def __init__(self, sock: socket.socket, this: _Try) -> None:
        self.count = 0
        self._sock = sock
        self._this = this

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.count >= RAW_LIMIT:
            raise _Endless
        # What has come is taken even when there is no time left to wait for more.
        self._sock.settimeout(max(self._this.until - time.monotonic(), 0.0))
        try:
            count = self._sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None
        self.count += count
        self._this.received += count
        return count

    def tell(self) -> int:
        return self.count


class _Answer(http.client.HTTPResponse):
    """http.client's parser over our reader; knows whether bytes came that belong to no answer."""

    def __init__(self, reader: _Reader, method: str | None) -> None:
        super().__init__(reader, method=method)  # type: ignore[arg-type]
        self._reader = reader
        self.surplus = False

    def begin(self) -> None:
        super().begin()
        while 101 < self.status < 200:  # hints before the answer, of which http.client knows 100 only
            self.headers = None  # type: ignore[assignment]
            super().begin()

    def _close_conn(self) -> None:
        if self.fp.tell() != self._reader.count:
            self.surplus = True
        super()._close_conn()  # type: ignore[misc]

    def body(self) -> tuple[bytes, bool]:
        """At most READ_LIMIT bytes, and whether that was all. Raises IncompleteRead when it broke off."""
        pieces: list[bytes] = []
        size = 0
        while self.length != 0:
            if size >= READ_LIMIT:
                return b"".join(pieces), False
            try:
                piece = self.read1(READ_LIMIT - size)
            except _Endless:
                return b"".join(pieces), False
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
        if self.length:
            raise http.client.IncompleteRead(b"", self.length)
        return b"".join(pieces), True


@dataclass(frozen=True, slots=True)
class _Through:
    """The proxy by whose address and port a connection to the target is made."""

    address: str
    port: int
    target: Target


class _Guarded(HTTPConnection):
    """A connection that is opened to checked addresses only, and whose sending keeps the try's clock."""

    address = ""
    through: _Through | None = None
    used = 0.0
    """When its last exchange ended (time.monotonic())."""

    def is_fit(self, addresses: Sequence[str]) -> bool:
        """Whether it is open, to an address that the name still has, and was used lately."""
        return self.sock is not None and self.address in addresses and time.monotonic() - self.used < KEEP_SECONDS

    def open(self, addresses: Sequence[str], this: _Try) -> None:
        """Connect to the first of the addresses that accepts, sharing the time that is left between them."""
        candidates = addresses[:ADDRESSES_TRIED]
        for position, address in enumerate(candidates, start=1):
            try:
                self.sock = self._connect(address, this, this.left() / (len(candidates) - position + 1))
                self.address = address
                return
            except ssl.SSLError:
                raise
            except OSError:
                if position == len(candidates):
                    raise

    def connect(self) -> None:
        raise AssertionError("open() is the way in: it checks the address")

    def _connect(self, address: str, this: _Try, within: float) -> socket.socket:
        through = self.through
        first = through.address if through else address
        sock = socket.socket(socket.AF_INET6 if ":" in first else socket.AF_INET, socket.SOCK_STREAM)
        try:
            this.hold(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(within)
            if through is None:
                sock.connect((address, self.port))
            else:
                try:
                    sock.connect((first, through.port))
                except ConnectionError as error:
                    raise ProxyFault("The egress proxy does not answer.") from error
                dig(sock, address, through.target, this.left)
            this.check()
            return self._secure(sock, this)
        except BaseException:
            sock.close()
            raise

    def _secure(self, sock: socket.socket, this: _Try) -> socket.socket:
        return sock


class _GuardedTLS(_Guarded, HTTPSConnection):
    """Host, SNI and certificate go by the name, whatever address it led to."""

    def _secure(self, sock: socket.socket, this: _Try) -> socket.socket:
        context = self.ssl_context
        assert context is not None
        sock.settimeout(this.left())
        secured = context.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
        try:
            this.hold(secured)
            secured.do_handshake()
            this.check()
        except BaseException:
            secured.close()
            raise
        return secured


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTLS


class _Pools(PoolManager):
    """The least recently used of too many hosts loses its connections."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        self._living: weakref.WeakSet[HTTPConnectionPool] = weakref.WeakSet()

    def pool(self, target: Target) -> HTTPConnectionPool:
        """By scheme, host and port alone: urllib3's own key of some twenty settings costs more than it tells us."""
        parts = {"scheme": target.scheme, "host": target.host, "port": target.port}
        key = (target.scheme, target.host, target.port)
        return self.connection_from_pool_key(key, {**self.connection_pool_kw, **parts})  # type: ignore[arg-type]

    def living(self) -> list[HTTPConnectionPool]:
        with self.pools.lock:
            return list(self._living)

    def _new_pool(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool = super()._new_pool(*args, **kwargs)
        self._living.add(pool)
        return pool


@cache
def _trusting(ca_file: str) -> ssl.SSLContext:
    """Reading the authorities takes longer than some hundred requests."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _read(connection: _Guarded, method: str, this: _Try, broken: ConnectionError | None) -> tuple[Response, bool]:
    """The answer on a connection, and whether that can be used again. broken: what kept the request from leaving."""
    sock = connection.sock
    assert sock is not None
    answer = _Answer(_Reader(sock, this), method)
    try:
        answer.begin()
    except (OSError, http.client.HTTPException):
        if broken is not None:
            raise broken from None
        raise
    try:
        body, whole = answer.body()
    finally:
        answer.close()
    if this.was_cut and answer.will_close:
        raise _Cut  # the end of the connection was the end of the body: ours, perhaps, and not the receiver's
    response = Response(
        status=answer.status,
        reason=_one_line(answer.reason),
        headers=tuple((_one_line(name), _one_line(value)) for name, value in answer.headers.items()[:KEPT_HEADERS]),
        body=body[:KEPT_BODY],
        size=len(body),
        truncated=not whole or len(body) > KEPT_BODY,
        duration_ms=this.elapsed_ms(),
        sent_ms=this.sent_ms,
    )
    sent_whole = this.sent_ms is not None
    return response, sent_whole and whole and not answer.surplus and not answer.will_close and answer.status >= 200


def _send(sock: socket.socket, data: bytes, this: _Try) -> None:
    """Head and body together: two pieces would wake the receiver twice."""
    rest = memoryview(data)
    while rest:
        sock.settimeout(this.left())
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


def _one_line(text: str) -> str:
    """Short enough to keep, and without control characters, which databases and logs do not bear."""
    if len(text) <= KEPT_HEADER_LENGTH and text.isprintable():
        return text
    return _CONTROLS.sub(" ", text[:KEPT_HEADER_LENGTH])


def _close_idle(pool: HTTPConnectionPool, before: float) -> None:
    """Close what was last used before that instant, taking each out of the pool so that nobody else has it."""
    queue = pool.pool
    if queue is None:
        return
    taken: list[_Guarded] = []
    with suppress(Empty):
        while True:
            connection = queue.get_nowait()
            if isinstance(connection, _Guarded) and connection.sock is not None:
                taken.append(connection)
    for connection in reversed(taken):
        if connection.used < before:
            connection.close()
            continue
        try:
            queue.put_nowait(connection)
        except Full:
            connection.close()


def _classify(error: Exception, target: Target | None, this: _Try) -> tuple[FailureKind, str]:
    """What went wrong, in words for staff. No text of the operating system is passed on that could name an address."""
    kind, why = _explain(error, target.host if target else "", this)
    return kind, str(error) if isinstance(error, Blocked) else f"{kind.words}. {why}"


def _explain(error: Exception, host: str, this: _Try) -> tuple[FailureKind, str]:
    if this.was_cut:
        return FailureKind.INTERRUPTED, "The worker was stopped before an answer came; the delivery goes out again."
    if isinstance(error, Blocked):
        return error.kind, ""
    if isinstance(error, _NoName):
        return FailureKind.DNS, str(error)
    if isinstance(error, ProxyFault):
        return FailureKind.REFUSED, str(error)
    if isinstance(error, TimeoutError):
        if this.received:
            what = "The answer was not complete"
        elif this.sent_ms is not None:
            what = "No answer was received"
        else:
            what = "The request could not be handed over"
        return FailureKind.TIMEOUT, f"{what} within {this.deadline:g} s."
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _one_line(error.verify_message).rstrip(".")
        return FailureKind.TLS, f"The certificate of {host} is not accepted: {why}."
    if isinstance(error, ssl.SSLError):
        return FailureKind.TLS, f"No secure connection with {host} came about; it takes TLS 1.2 or newer."
    if isinstance(error, ConnectionRefusedError):
        return FailureKind.REFUSED, f"Nothing answers at {host}. Check the host and port in Webhook URL."
    if isinstance(error, (ConnectionError, http.client.IncompleteRead)):
        came = "The answer broke off." if this.received else f"{host} hung up without an answer."
        return FailureKind.RESET, came
    if isinstance(error, http.client.HTTPException):
        return FailureKind.PROTOCOL, f"What came from {host} cannot be read as HTTP."
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return FailureKind.REFUSED, f"{host} cannot be reached from here."
    if isinstance(error, ValueError):
        return FailureKind.UNKNOWN, "A header holds characters that HTTP does not allow."
    logger.error("a request was not sent: %s", type(error).__name__, exc_info=error)
    return FailureKind.UNKNOWN, f"This was not expected: {type(error).__name__}."
