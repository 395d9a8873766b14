"""Bodies: JSON objects in UTF-8, read strictly. What two readers could understand differently is refused.

The standard library's reader takes duplicate keys, NaN and Infinity, and gives up on depth with a RecursionError:
the hooks and the look at the depth close these gaps.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import IO, Any, Final

from django.http import HttpRequest, UnreadablePostError
from rest_framework.parsers import BaseParser

from leads.api.errors import Fault, Problem, shown

LARGEST_BODY: Final = 2_500_000  # bytes
DEEPEST: Final = 32
LARGEST_INTEGER: Final = 2**63


def malformed(message: str, *faults: Fault) -> Problem:
    return Problem(400, message, code="malformed", faults=faults)


def check_length(request: HttpRequest, largest: int = LARGEST_BODY) -> int:
    """The body's length in bytes. Raises Problem by the header fields alone, before any byte of it is read."""
    if request.META.get("HTTP_CONTENT_ENCODING"):
        raise Problem(415, "Send the body as it is, without a Content-Encoding.")
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        raise Problem(411)
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        raise malformed("The Content-Length is no number of bytes.")
    # Long numbers are not turned into an int before they are known to be short.
    if len(length.lstrip("0")) > 12 or int(length) > largest:
        raise Problem(413, f"The body is too large: at most {largest:,} bytes are taken.")
    return int(length)


def body_of(request: HttpRequest, largest: int) -> bytes:
    """The bytes of the body. Raises Problem where it would not be taken."""
    check_length(request, largest)
    try:
        return request.body
    except UnreadablePostError:
        raise malformed("The body ended too soon.") from None


def check_head(request: HttpRequest, may_be_empty: bool = False) -> None:
    """Refuse by its header fields, before any byte of it is read, a body that would not be taken."""
    length = check_length(request)
    if may_be_empty and length == 0:
        return
    if request.method in ("POST", "PATCH"):
        charset = (request.content_params or {}).get("charset", "utf-8").lower()
        if request.content_type != "application/json" or charset not in ("utf-8", "utf8"):
            raise Problem(415)
        if length == 0:
            raise malformed("The body is empty: send a JSON object.")


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            body = stream.read(LARGEST_BODY + 1)
        except OSError:
            raise malformed("The body ended too soon.") from None
        return read(body)


def read(body: bytes) -> dict[str, Any]:
    """The object that these bytes are. Raises Problem 400, naming the field where it can."""
    document = read_any(body)
    if not isinstance(document, dict):
        raise malformed("The body must be a JSON object.")
    return document


def read_any(body: bytes) -> dict[str, Any] | list[Any]:
    """The object or array that these bytes are. Raises Problem 400, naming the field where it can."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise malformed("The body starts with a byte order mark; send plain UTF-8.")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise malformed(f"The body is not UTF-8 at byte {error.start}.") from None
    _check_depth(text)
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            # Hooks are slow: a million short numbers need none.
            parse_int=_integer if _LONG.search(text) else None,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise malformed(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    if not isinstance(document, dict | list):
        raise malformed("The body must be a JSON object or array.")
    if "\\u" not in text:
        return document
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        if any(map(_UNSTORABLE.search, _texts(value))):
            raise malformed("", Fault(shown(str(key)), "control_characters", _UNSTORABLE_WORDS))
    return document


# PostgreSQL stores no NUL, and a lone surrogate is no text: no encoder takes it.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNSTORABLE_WORDS: Final = "must not contain U+0000 or half of a surrogate pair"

# Whatever is no bracket: strings, to their end or to the end of the text, and what stands between. Every string
# matches, so that no place is looked at twice.
_NO_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[^"\[\]{}]+', re.DOTALL)
_ONE_KIND = str.maketrans("{}", "[]")


def _check_depth(text: str) -> None:
    """Peel the innermost brackets off as often as nesting is allowed; the rest of a text without recursion."""
    brackets = _NO_BRACKETS.sub("", text).translate(_ONE_KIND)
    for _ in range(DEEPEST):
        if not brackets:
            return
        brackets = brackets.replace("[]", "")
    # A few that have no partner are harmless: the reader says where the text goes wrong.
    if "[]" in brackets or len(brackets) > DEEPEST:
        raise malformed(f"The body is nested more than {DEEPEST} deep, or its brackets do not match.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if _UNSTORABLE.search(key):
            raise malformed("A key contains U+0000 or half of a surrogate pair.")
        if key in made:
            raise malformed("", Fault(shown(key), "duplicate", "is there twice"))
        made[key] = value
    return made


_LONG = re.compile("[0-9]{19}")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -LARGEST_INTEGER <= int(digits) < LARGEST_INTEGER:
        raise malformed("The body has a whole number beyond 64 bits.")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise malformed("The body has a number that is too large.")
    return number


def _constant(name: str) -> None:
    raise malformed(f"The body has {name}, which is not JSON.")


def _texts(value: Any) -> Iterable[str]:
    """Every text within a value; keys were looked at when their object was read."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
