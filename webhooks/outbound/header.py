"""What a custom header may be: the one place of the rule, for form and API."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST = 20  # of one webhook
LONGEST_NAME = 100
LONGEST_VALUE = 2000

OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
"""Headers that frame the message or promise what we do not do: ours are sent, a caller's are not."""

# Headers of the connection, which are another's than the receiver's to read (RFC 9110, 7.6.1).
_HOP_BY_HOP = OURS | {"expect", "http2-settings", "keep-alive", "te", "trailer", "upgrade"}
# A cloud hands out credentials to whoever can make its machines send these.
_METADATA = frozenset({"metadata", "metadata-flavor", "x-google-metadata-request"})

# RFC 9110, 5.1 and 5.5, without the bytes above ASCII that it calls obsolete.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")


def name_fault(name: str) -> str | None:
    """What is wrong with a header's name, for people; None when it is fine."""
    if not _NAME.fullmatch(name):
        return f"“{name[:LONGEST_NAME]}” is no header name. Use letters, digits and hyphens."
    if len(name) > LONGEST_NAME:
        return f"A header name has at most {LONGEST_NAME} characters."
    if why := _reserved(name.lower()):
        return f"{name} cannot be set: {why}."
    return None


def faults(headers: Sequence[tuple[str, str]], most: int = MOST) -> list[str]:
    """All that is wrong with the custom headers of one webhook, (name, value) each; none of it repeats a value."""
    found: list[str] = []
    names: set[str] = set()
    for name, value in headers:
        if fault := name_fault(name):
            found.append(fault)
        elif name.lower() in names:
            found.append(f"{name} stands here twice.")
        elif not value:
            found.append(f"{name} has no value. Enter one, or remove the header.")
        elif fault := value_fault(name, value):
            found.append(fault)
        names.add(name.lower())
    if len(names) > most:
        found.append(f"There may be at most {most} custom headers.")
    return found


def is_reserved(name: str) -> bool:
    """Whether no webhook's own header may have this name. Fixtures pass by the form: asked again at every try."""
    return _reserved(name.lower()) is not None


def _reserved(name: str) -> str | None:
    if name in _HOP_BY_HOP:
        return "it is part of how the request is sent"
    if name.startswith("webhook-"):
        return "names with webhook- are kept for what leadcrm says of a delivery"
    if name.startswith("proxy-"):
        return "it speaks to a proxy, not to the receiver"
    if name in _METADATA or name.startswith("x-aws-ec2-metadata-"):
        return "it speaks to the metadata service of a cloud"
    return None


def value_fault(name: str, value: str) -> str | None:
    """What is wrong with its value, for people; None when it is fine. The value is never part of the words."""
    if not _VALUE.fullmatch(value):
        return f"The value of {name} may hold printable ASCII characters only, and no line break."
    if len(value) > LONGEST_VALUE:
        return f"The value of {name} has at most {LONGEST_VALUE} characters."
    return None
