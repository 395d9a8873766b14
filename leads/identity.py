"""When two values name the same: how e-mails, names and the like are compared. Pure.

Capitals, and the two ways to encode an accent, make no other value; characters that merely look alike do.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

# Folding makes some characters two or three.
LONGEST: int = 320


def folded(text: str) -> str:
    """The same for texts that differ in capitals, or in how their accents are encoded, or in blanks around them."""
    if text.isascii():
        return text.strip().lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).casefold())


def text_key(value: object) -> str | None:
    """What an e-mail is found by; None for what is no text, or an empty one."""
    if not isinstance(value, str) or not value:
        return None
    return _plain(value)[:LONGEST] or None


def value_key(value: object) -> str | None:
    """What a text or a number of a unique field is compared by, however long; None for what is neither, or empty."""
    if isinstance(value, str):
        return _plain(value) or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _plain(text: str) -> str:
    """Lower case, not folded: that would make one address of straße@ and strasse@, and of what merely looks alike."""
    if text.isascii():
        return text.strip().lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).lower())


# Asked when the row is written, and again when its unit of work ends: many leads may be written in between.
@lru_cache(maxsize=16_384)
def likeness(name: object, postcode: object) -> str | None:
    """The same for two leads of one name at one postcode, whatever the punctuation; None unless both are given."""
    if not (isinstance(name, str) and isinstance(postcode, str)):
        return None
    words, place = " ".join(_WORDS.findall(folded(name))), "".join(_WORDS.findall(folded(postcode)))
    return f"{words}|{place}"[:LONGEST] if words and place else None


_WORDS = re.compile(r"\w+")


def digest(key: str) -> str:
    """64 hex digits: what is kept of a value that only has to be recognised."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
