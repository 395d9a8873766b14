"""What of a lead can be filled from outside, by inbound webhooks and imports: the fields, what each takes, and which of
them a stranger's name for a value most likely means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, Literal

from leads.fields import BY_KEY, FIELDS, Field
from leads.references import NAMED
from leads.setup import Setup

Kind = Literal["text", "email", "number", "integer", "boolean", "datetime", "date", "several", "any"]
"""What a field takes: several is an array of texts, any a JSON value as it came."""

_KINDS: Final[Mapping[str, Kind]] = {
    "text": "text",
    "choice": "text",
    "email": "email",
    "number": "number",
    "integer": "integer",
    "reference": "integer",
    "boolean": "boolean",
    "datetime": "datetime",
    "texts": "several",
    "labels": "several",
}
_CUSTOM_KINDS: Final[Mapping[str, Kind]] = {
    "text": "text",
    "number": "number",
    "yes_no": "boolean",
    "date": "date",
    "choice": "text",
    "choices": "several",
}

# What people and other programs call it, besides its key, its label and its names in the systems that we know.
_ALSO: Final[Mapping[str, str]] = {
    "mail": "email",
    "email address": "email",
    "work email": "business_email",
    "telephone": "phone",
    "tel": "phone",
    "phone number": "phone",
    "mobile": "mobile_phone",
    "cell phone": "mobile_phone",
    "forename": "first_name",
    "given name": "first_name",
    "surname": "last_name",
    "family name": "last_name",
    "name": "full_name",
    "zip": "postcode",
    "zip code": "postcode",
    "postal code": "postcode",
    "post code": "postcode",
    "street": "address",
    "company": "company_name",
    "organisation": "company_name",
    "organization": "company_name",
    "job": "job_title",
    "office": "office_name",
    "stage": "stage_name",
    "lead source": "source",
}


def targets(setup: Setup) -> dict[str, Field]:
    """Every field that may be filled, by key: the catalogue's, names of other records, and the account's own."""
    known = {field.key: field for field in FIELDS if (field.writeable and field.kind != "custom") or field.key in NAMED}
    own = {one.path: Field(one.path, one.label, "text", "Custom") for one in setup.definitions.values()}
    return known | own


def kinds(setup: Setup) -> dict[str, Kind]:
    """What each of them takes."""
    return _KNOWN | {one.path: _CUSTOM_KINDS[one.kind] for one in setup.definitions.values()}


_KNOWN: Final[dict[str, Kind]] = {key: _KINDS.get(field.kind, "any") for key, field in BY_KEY.items()}


def suggested(names: Iterable[str], setup: Setup) -> dict[str, str]:
    """Of these names those that mean a field, with its key; no field twice, the first name has it."""
    known, meant = _by_name(), targets(setup)
    own = {_words(one.label): one.path for one in setup.definitions.values()}
    own |= {_words(one.key): one.path for one in setup.definitions.values()}
    found: dict[str, str] = {}
    for name in names:
        key = own.get(_words(name)) or known.get(_words(name))
        if key in meant and key not in found.values():
            found[name] = key
    return found


@cache
def _by_name() -> Mapping[str, str]:
    """Plain name -> key."""
    names: dict[str, str] = {}
    for field in FIELDS:
        for system in field.systems.values():
            names.setdefault(_words(system), field.key)
    names |= {_words(field.key): field.key for field in FIELDS}
    # A person's label beats a program's key; but nobody writes the id of another record into a file.
    plain = [field for field in reversed(FIELDS) if field.writeable and field.kind != "reference"]
    names |= {_words(field.label): field.key for field in plain}
    return names | {_words(name): key for name, key in _ALSO.items()}


def _words(name: str) -> str:
    """ "E-Mail", "e_mail" and "eMail" are one."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.strip())
    return "".join(re.findall(r"[^\W_]+", parted.casefold()))
