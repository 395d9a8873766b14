"""What an inbound webhook must be, whoever sets it up: the rules that form, mapping page and API share.

A message is a clause that follows the name of what is wrong, as those of a lead's rules are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from leads import intake
from leads import setup as setups
from leads.fields import BY_KEY
from leads.intake import NAMED
from leads.setup import Setup
from leads.validation import RULES, Violation
from webhooks.inbound import secrets
from webhooks.inbound.translate import targets
from webhooks.models import InboundWebhook, Verification
from webhooks.wire import mapping

LONGEST_DESCRIPTION: Final = 2000
MOST_VALUES: Final = 50
LONGEST_VALUE: Final = 255

# RFC 9110, 5.1.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def protectable(setup: Setup) -> dict[str, tuple[str, str]]:
    """Key -> (group, label) of the fields that can keep what they have. Names of records are not among them."""
    return {key: (field.group, field.label) for key, field in targets(setup).items() if key not in NAMED}


def faults(inbound: InboundWebhook, setup: Setup) -> list[Violation]:
    """All that is wrong with it as it is about to be stored; a row of the mapping is `mapping.<number>`."""
    found = [*_secret(inbound), *_header(inbound), *_only(inbound)]
    found += [*_match(inbound, setup), *_protected(inbound, setup)]
    return found + mapping_faults(inbound.mapping, setup)


def mapping_faults(stored: object, setup: Setup) -> list[Violation]:
    """What is wrong with rows of a mapping, as they are stored."""
    if not isinstance(stored, list) or len(stored) > mapping.MOST_ROWS:
        return [Violation("mapping", "rows", f"must be an array of at most {mapping.MOST_ROWS} rows")]
    known, seen, found = targets(setup), set(), []
    for number, one in enumerate(stored):
        try:
            (row,) = mapping.read([one])
        except ValueError as error:
            found.append(Violation(f"mapping.{number}", "mapping", f"is refused: {str(error).removeprefix('row 1: ')}"))
            continue
        if row.field not in known:
            found.append(
                Violation(f"mapping.{number}", "unknown", f"is refused: {row.field[:100]} is no field of a lead")
            )
        elif row.field in seen:
            found.append(Violation(f"mapping.{number}", "twice", f"is refused: {row.field} is mapped already"))
        elif any(not _is_storable(text) for text in _texts([row.path, row.constant, row.fallback])):
            message = "must not contain control characters other than tab and line breaks"
            found.append(Violation(f"mapping.{number}", "control_characters", message))
        seen.add(row.field)
    return found


def unmapped(inbound: InboundWebhook) -> str:
    """The key that leads are known by and that nothing fills, so that each post makes a new lead; "" where all is well.

    A mapping that is empty or cannot be read refuses every post: that is told elsewhere.
    """
    try:
        fields = {row.field for row in inbound.rows}
    except ValueError:
        return ""
    known = {inbound.match, *(one.path for one in setups.of(inbound.account_id).unique)}
    return inbound.match if fields and known.isdisjoint(fields) else ""


def label_of(key: str, setup: Setup) -> str:
    """What people call a field; the key itself where it is gone."""
    known = intake.matchable(setup)
    return known.get(key) or (BY_KEY[key].label if key in BY_KEY else key)


def _secret(inbound: InboundWebhook) -> Iterator[Violation]:
    """One that was typed for another way to prove it."""
    kept = secrets.stored(inbound) if inbound.verification != Verification.BEARER else ""
    if kept and (fault := secrets.fault(inbound.verification, kept)):
        yield Violation("verification", "secret", f"does not go with the secret in use, which {fault}: rotate it first")


def _header(inbound: InboundWebhook) -> Iterator[Violation]:
    name = inbound.signature_header
    if inbound.verification != Verification.HMAC:
        return
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        yield Violation("signature_header", "header", "must be a header name: letters, digits and hyphens")
    elif name.lower() in ("authorization", "content-type", "content-length", "host", "cookie"):
        yield Violation("signature_header", "header", f"cannot be {name}, which says something else")


def _only(inbound: InboundWebhook) -> Iterator[Violation]:
    path, values = inbound.only_path, inbound.only_values
    if path and (fault := mapping.path_fault(path)) is not None:
        yield Violation("only_path", "path", fault)
    if not isinstance(values, list) or len(values) > MOST_VALUES:
        yield Violation("only_values", "texts", f"must be at most {MOST_VALUES} texts")
    elif not all(isinstance(value, str) and value.strip() and len(value) <= LONGEST_VALUE for value in values):
        yield Violation("only_values", "texts", f"must be texts of 1 to {LONGEST_VALUE} characters")
    elif not all(map(_is_storable, values)):
        yield Violation("only_values", "control_characters", "must not contain control characters")
    elif values and not path:
        yield Violation("only_path", "required", "must say where these values are looked for")


def _match(inbound: InboundWebhook, setup: Setup) -> Iterator[Violation]:
    known = intake.matchable(setup)
    if inbound.match and inbound.match not in known:
        yield Violation("match", "choice", f"must be empty or one of {', '.join(known)}")


def _protected(inbound: InboundWebhook, setup: Setup) -> Iterator[Violation]:
    keys = inbound.protected
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        yield Violation("protected", "texts", "must be an array of keys")
        return
    known = protectable(setup)
    if strange := next((key for key in keys if key not in known), None):
        yield Violation("protected", "choice", f"must be fields of a lead, which {strange[:100]} is not")


def _texts(values: Collection[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts([*value.keys(), *value.values()])
        elif isinstance(value, list):
            yield from _texts(value)


def _is_storable(text: str) -> bool:
    rule = RULES["control_characters"].value
    return rule is None or rule(BY_KEY["notes"], text) is None
