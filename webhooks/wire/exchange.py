"""One HTTP exchange: what we send, and what came of it."""

from dataclasses import dataclass
from enum import StrEnum

Headers = tuple[tuple[str, str], ...]

KEPT_BODY = 8 * 1024
"""Bytes of an answer's body that are kept."""
KEPT_HEADERS = 50
KEPT_HEADER_LENGTH = 1024
"""Characters of an answer's header value that are kept."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the first header of this name, in any case; None when there is none."""
        return _first(self.headers, name)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that arrived whole, or whose body was longer than we care to read."""

    status: int
    reason: str
    headers: Headers
    body: bytes
    """The first KEPT_BODY bytes, exactly as they came."""
    size: int = 0
    """Bytes of body that were read, which may be more than were kept."""
    truncated: bool = False
    """Whether the answer's body was longer than `body`."""
    duration_ms: float = 0.0
    """From the call to the last byte read."""
    sent_ms: float | None = None
    """From the call to the moment our last byte left."""

    def header(self, name: str) -> str | None:
        """The value of the first header of this name, in any case; None when there is none."""
        return _first(self.headers, name)


class FailureKind(StrEnum):
    """Why no answer came. The values are stored; the words are for people."""

    DNS = "dns"
    REFUSED = "refused"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    BLOCKED_ADDRESS = "blocked_address"
    BLOCKED_URL = "blocked_url"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """At most 20 characters, in lower case, for a table cell or after "Test failed: "."""
        return _WORDS[self]


_WORDS = {
    FailureKind.DNS: "name not found",
    FailureKind.REFUSED: "connection refused",
    FailureKind.TLS: "TLS failed",
    FailureKind.TIMEOUT: "timed out",
    FailureKind.RESET: "connection closed",
    FailureKind.PROTOCOL: "not an HTTP answer",
    FailureKind.BLOCKED_ADDRESS: "address not allowed",
    FailureKind.BLOCKED_URL: "URL not allowed",
    FailureKind.INTERRUPTED: "interrupted",
    FailureKind.UNKNOWN: "not sent",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """No whole answer came.

    `message` starts with `kind.words` and says what, where and what to do. It never holds a resolved address: that
    would tell whoever may edit a webhook how the network behind us looks.
    """

    kind: FailureKind
    message: str
    duration_ms: float = 0.0
    sent_ms: float | None = None
    """From the call to the moment our last byte left; None when it did not."""


def _first(headers: Headers, name: str) -> str | None:
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)
