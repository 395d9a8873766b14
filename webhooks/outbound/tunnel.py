"""The way out through an operator's proxy: CONNECT to the checked address, then as if it were connected to directly.

Plain http goes this way too. A proxy that is given a URL would look its name up again, or replace Host by the address.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

from webhooks.outbound.address import Blocked, Target
from webhooks.wire.exchange import FailureKind

LONGEST_ANSWER = 16 * 1024
"""Bytes of head that a proxy's answer may have."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")


class ProxyFault(OSError):
    """The proxy did not do its part; the argument says what, for staff."""


def dig(sock: socket.socket, address: str, target: Target, left: Callable[[], float]) -> None:
    """Have the proxy at the other end of `sock` connect it to the address. `left` gives the try's seconds, or raises.

    Raises Blocked where the proxy's own rules refuse the target, else ProxyFault.
    """
    place = f"[{address}]:{target.port}" if ":" in address else f"{address}:{target.port}"
    host = f"[{target.host}]" if ":" in target.host else target.host
    sock.settimeout(left())
    sock.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {host}:{target.port}\r\n\r\n".encode("ascii"))
    head = b""
    while b"\r\n\r\n" not in head:
        sock.settimeout(left())
        piece = sock.recv(4096)
        head += piece
        if not piece or len(head) > LONGEST_ANSWER:
            raise ProxyFault("The egress proxy did not answer as a proxy does.")
    status = _STATUS.match(head)
    if status is None:
        raise ProxyFault("The egress proxy did not answer as a proxy does.")
    code = int(status[1])
    if code in (403, 407):
        raise Blocked(FailureKind.BLOCKED_ADDRESS, f"The egress proxy refuses {target.host}, by its own rules.")
    if not 200 <= code < 300:
        raise ProxyFault(f"The egress proxy could not reach {target.host}; it answered {code}.")
    if not head.endswith(b"\r\n\r\n"):
        # Whoever we are connected to speaks before being spoken to: no HTTP or TLS server does.
        raise ProxyFault("The egress proxy did not answer as a proxy does.")
