"""Connections that are opened to checked addresses only, and the pools that keep them between exchanges."""

from __future__ import annotations

import socket
import ssl
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from queue import Empty, Full
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from webhooks.outbound.address import Target
from webhooks.outbound.clock import Clock
from webhooks.outbound.tunnel import ProxyFault, dig

ADDRESSES_TRIED = 3
KEEP_SECONDS = 4.0
"""How long an unused connection is kept. Many servers hang up after 5 s: a try is worth more than a handshake."""


@dataclass(frozen=True, slots=True)
class Through:
    """The proxy by whose address and port a connection to the target is made."""

    address: str
    port: int
    target: Target


class Guarded(HTTPConnection):
    """A connection that is opened to checked addresses only, and whose sending keeps the try's clock."""

    address = ""
    through: Through | None = None
    used = 0.0
    """When its last exchange ended (time.monotonic())."""

    def is_fit(self, addresses: Sequence[str]) -> bool:
        """Whether it is open, to an address that the name still has, and was used lately."""
        return self.sock is not None and self.address in addresses and time.monotonic() - self.used < KEEP_SECONDS

    def open(self, addresses: Sequence[str], clock: Clock) -> None:
        """Connect to the first of the addresses that accepts, sharing the time that is left between them."""
        candidates = addresses[:ADDRESSES_TRIED]
        for position, address in enumerate(candidates, start=1):
            try:
                self.sock = self._connect(address, clock, clock.left() / (len(candidates) - position + 1))
                self.address = address
                return
            except ssl.SSLError:
                raise
            except OSError:
                if position == len(candidates):
                    raise

    def connect(self) -> None:
        raise AssertionError("open() is the way in: it checks the address")

    def _connect(self, address: str, clock: Clock, within: float) -> socket.socket:
        through = self.through
        first = through.address if through else address
        sock = socket.socket(socket.AF_INET6 if ":" in first else socket.AF_INET, socket.SOCK_STREAM)
        try:
            clock.hold(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(within)
            if through is None:
                sock.connect((address, self.port))
            else:
                try:
                    sock.connect((first, through.port))
                except ConnectionError as error:
                    raise ProxyFault("The egress proxy does not answer.") from error
                dig(sock, address, through.target, clock.left)
            clock.check()
            return self._secure(sock, clock)
        except BaseException:
            sock.close()
            raise

    def _secure(self, sock: socket.socket, clock: Clock) -> socket.socket:
        return sock


class GuardedTLS(Guarded, HTTPSConnection):
    """Host, SNI and certificate go by the name, whatever address it led to."""

    def _secure(self, sock: socket.socket, clock: Clock) -> socket.socket:
        context = self.ssl_context
        assert context is not None
        sock.settimeout(clock.left())
        secured = context.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
        try:
            clock.hold(secured)
            secured.do_handshake()
            clock.check()
        except BaseException:
            secured.close()
            raise
        return secured


class _Pool(HTTPConnectionPool):
    ConnectionCls = Guarded


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = GuardedTLS


class Pools(PoolManager):
    """The least recently used of too many hosts loses its connections."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        self._living: weakref.WeakSet[HTTPConnectionPool] = weakref.WeakSet()
        self._tidied = time.monotonic()

    def pool(self, target: Target) -> HTTPConnectionPool:
        """By scheme, host and port alone: urllib3's own key of some twenty settings costs more than it tells us."""
        parts = {"scheme": target.scheme, "host": target.host, "port": target.port}
        key = (target.scheme, target.host, target.port)
        return self.connection_from_pool_key(key, {**self.connection_pool_kw, **parts})  # type: ignore[arg-type]

    def tidy(self) -> None:
        """Every few seconds, close connections that nobody used lately."""
        if time.monotonic() - self._tidied > KEEP_SECONDS:
            self.close_idle()

    def close_idle(self) -> None:
        self._tidied = time.monotonic()
        with self.pools.lock:
            living = list(self._living)
        for pool in living:
            _close_idle(pool, before=self._tidied - KEEP_SECONDS)

    def _new_pool(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool = super()._new_pool(*args, **kwargs)
        self._living.add(pool)
        return pool


@cache
def trusting(ca_file: str) -> ssl.SSLContext:
    """Reading the authorities takes longer than some hundred requests."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _close_idle(pool: HTTPConnectionPool, before: float) -> None:
    """Close what was last used before that instant, taking each out of the pool so that nobody else has it."""
    queue = pool.pool
    if queue is None:
        return
    taken: list[Guarded] = []
    with suppress(Empty):
        while True:
            connection = queue.get_nowait()
            if isinstance(connection, Guarded) and connection.sock is not None:
                taken.append(connection)
    for connection in reversed(taken):
        if connection.used < before:
            connection.close()
            continue
        try:
            queue.put_nowait(connection)
        except Full:
            connection.close()
