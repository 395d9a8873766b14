"""Identifiers that sort by the time they were made."""

from __future__ import annotations

# Crockford's base 32: no I, L, O and U.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# By ten bits.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def ulid(milliseconds: int, randomness: bytes) -> str:
    """A ULID: 26 characters for 48 bits of Unix time in milliseconds and 10 random bytes."""
    if len(randomness) != 10:
        raise ValueError("A ULID takes 10 random bytes.")
    number = milliseconds << 80 | int.from_bytes(randomness)
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
