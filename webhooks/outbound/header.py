"""What a custom header may be: the one place of the rule, for form and API."""

from __future__ import annotations

import re

from webhooks.outbound.send import OURS

MOST = 20
LONGEST_NAME = 100
LONGEST_VALUE = 2000

# RFC 9110, 5.1 and 5.5, without the bytes above ASCII that it calls obsolete.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")


def name_fault(name: str) -> str | None:
    """What is wrong with a header's name, for people; None when it is fine."""
    if not _NAME.fullmatch(name):
        return f"“{name[:LONGEST_NAME]}” is no header name. Use letters, digits and hyphens."
    if len(name) > LONGEST_NAME:
        return f"A header name has at most {LONGEST_NAME} characters."
    if name.lower() in OURS:
        return f"{name} cannot be set: it is part of how the request is sent."
    return None


def value_fault(name: str, value: str) -> str | None:
    """What is wrong with its value, for people; None when it is fine. The value is never part of the words."""
    if not _VALUE.fullmatch(value):
        return f"The value of {name} may hold printable ASCII characters only, and no line break."
    if len(value) > LONGEST_VALUE:
        return f"The value of {name} has at most {LONGEST_VALUE} characters."
    return None
