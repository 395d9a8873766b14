"""The rules of a lead, in two layers.

Value rules hold for every write: what each field may hold, from the limits in fields.py. Profile rules say what a lead
must have; a named profile lists them. Both are entries of RULES under the code that errors carry, and a rule taken out
of RULES is off. Pure: no ORM, no settings, no clock. Nothing here raises, whatever JSON comes in.

What needs the database (is this office, this parent lead in reach) is asked elsewhere. The source of limits and lists
is LeadPro's page, read 2026-11-21; a comment says where a limit is our own.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any, Final

import phonenumbers

from leads.fields import BY_KEY, EMPTY, FIELDS, Field

# Our own limits.
SIGNIFICANT_DIGITS: Final = 15  # what every receiver that reads numbers as doubles gets back unchanged
_TOO_LONG: Final = 10**SIGNIFICANT_DIGITS
LARGEST_REFERENCE: Final = 2**63 - 1
MOST_LABELS: Final = 100
LONGEST_LOCAL_PART: Final = 64  # of an e-mail address, RFC 5321

# UK numbers are those of Great Britain and Northern Ireland, Jersey, Guernsey and the Isle of Man: one country code.
UK_CODE: Final = 44
UK_REGIONS: Final = ("GB", "JE", "GG", "IM")

NEEDS_ADDRESS: Final = ("vendor", "landlord", "mortgage_request")
NEEDS_ADVERT: Final = ("sale", "let")

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule. `message` is a clause that follows the field's name: "type must be one of sale, vendor"."""

    field: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What a lead must have: (rule, keys of the fields it is asked of) pairs."""

    name: str
    rules: tuple[tuple[str, tuple[str, ...]], ...]

    def without(self, rule: str) -> Profile:
        return replace(self, rules=tuple(entry for entry in self.rules if entry[0] != rule))


@dataclass(frozen=True, slots=True)
class Rule:
    """`value` judges one value that is not None; `record` judges one field within the merged record and what it was
    before. Each answers with the message, or with None when all is well."""

    value: Callable[[Field, object], str | None] | None = None
    record: Callable[[Field, Values, Values], str | None] | None = None


# --- value rules -----------------------------------------------------------------------------------------------------

# Category Cc without tab, line feed and carriage return, and lone surrogates. PostgreSQL refuses NUL, and no driver
# encodes a lone surrogate; the others break receivers, logs and CSV.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

_EMAIL = re.compile(
    r"(?P<local>[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)"
    r"@(?P<domain>(?:(?!-)[\w-]{1,63}(?<!-)\.)+(?!\d+\Z)(?!-)[\w-]{2,63}(?<!-))"
)

# Extended calendar form only, with or without a time: what JavaScript's Date and every ISO 8601 library read alike.
_ISO_DATE = re.compile(
    r"\d{4}-\d\d-\d\d"
    r"(?:T(?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_COMPARABLE_NUMBERS: Final = (
    "beds",
    "distance",
    "months_ago",
    "original_asking_price",
    "price",
    "time_taken_to_sell",
)
_COMPARABLE_KEYS: Final = frozenset({"address", "coords", "date", *_COMPARABLE_NUMBERS})


def is_iso_date(value: object) -> bool:
    """Whether this is an ISO 8601 date or date and time that exists and can be told in UTC."""
    if not isinstance(value, str) or not _ISO_DATE.fullmatch(value):
        return False
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None and moment.year in (MINYEAR, MAXYEAR):
            moment.astimezone(UTC)  # overflows in the first and last hours there are
    except (ValueError, OverflowError):
        return False
    return True


def read_moment(text: str) -> datetime:
    """An ISO 8601 date, or date and time, in UTC; without an offset it is UTC. ValueError for what is none."""
    if not is_iso_date(text):
        raise ValueError(f"{text!r} is no ISO 8601 date")
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def in_seconds(moment: datetime) -> str:
    """As text in UTC: 2024-12-02T14:05:38Z."""
    return f"{moment.astimezone(UTC).isoformat(timespec='seconds')[:19]}Z"


def _is_number(value: object) -> bool:
    return type(value) is int or (type(value) is float and isfinite(value))


def _is_short(number: float) -> bool:
    """Whether a finite number, written out, has at most SIGNIFICANT_DIGITS digits."""
    if isinstance(number, int) or number.is_integer():
        return -_TOO_LONG < number < _TOO_LONG
    return len(Decimal(repr(number)).as_tuple().digits) <= SIGNIFICANT_DIGITS


def _text(field: Field, value: object) -> str | None:
    return None if isinstance(value, str) else "must be text"


def _control_characters(field: Field, value: object) -> str | None:
    text = value if isinstance(value, str) else "".join(_texts(value))
    if text.isprintable():
        return None  # as most are, which is seen sooner
    return "must not contain control characters other than tab and line breaks" if _CONTROL.search(text) else None


def _texts(value: object) -> list[str]:
    """Every text within a JSON value, keys included. A loop, as recursion has a limit and nesting has none."""
    texts: list[str] = []
    waiting = [value]
    for item in waiting:  # grows while it is walked
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict):
            texts += item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return texts


def _length(field: Field, value: object) -> str | None:
    if not isinstance(value, str):
        return None
    if (field.min_length is None or len(value) >= field.min_length) and (
        field.max_length is None or len(value) <= field.max_length
    ):
        return None
    if field.min_length is None:
        return f"must have at most {field.max_length} characters"
    return f"must have {field.min_length} to {field.max_length} characters"


def _email(field: Field, value: object) -> str | None:
    if isinstance(value, str):
        # Composed first, as \w knows letters but not the combining marks of a decomposed one.
        match = _EMAIL.fullmatch(value if value.isascii() else unicodedata.normalize("NFC", value))
        if match and len(match["local"]) <= LONGEST_LOCAL_PART and "_" not in match["domain"]:
            return None
    return "must be an e-mail address such as name@example.com"


def _choice(field: Field, value: object) -> str | None:
    for code, _ in field.choices:
        if value == code:
            return None
    return f"must be one of {', '.join(code for code, _ in field.choices)}"


def _number(field: Field, value: object) -> str | None:
    return None if _is_number(value) else "must be a number"


def _digits(field: Field, value: object) -> str | None:
    if not isinstance(value, int | float) or not _is_number(value) or _is_short(value):
        return None
    return f"must have at most {SIGNIFICANT_DIGITS} digits"


def _decimals(field: Field, value: object) -> str | None:
    if field.decimals is None or type(value) is not float or not isfinite(value):
        return None
    if round(value, field.decimals) == value:
        return None
    return f"must have at most {field.decimals} decimal places"


def _integer(field: Field, value: object) -> str | None:
    if type(value) is int and field.lowest <= value <= field.highest:
        return None
    return f"must be a whole number from {field.lowest} to {field.highest}"


def _boolean(field: Field, value: object) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _reference(field: Field, value: object) -> str | None:
    if type(value) is int and 0 < value <= LARGEST_REFERENCE:
        return None
    return "must be the id of a record, a whole number above 0"


def _bytes(field: Field, value: object) -> str | None:
    try:
        size = len(_compact(value).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError, RecursionError):
        # No JSON at all, nested beyond reason, or an integer of more digits than Python prints.
        return "must be plain JSON"
    if field.max_bytes is None or size <= field.max_bytes:
        return None
    return f"must take at most {field.max_bytes} bytes as JSON, not {size}"


def _iso_date(field: Field, value: object) -> str | None:
    return None if is_iso_date(value) else "must be an ISO 8601 date, such as 2024-12-02T14:05:38Z"


def _texts_only(field: Field, value: object) -> str | None:
    if isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value):
        return None
    return "must be an array of texts, none of them empty"


def _label_count(field: Field, value: object) -> str | None:
    return None if isinstance(value, list) and len(value) <= MOST_LABELS else f"must hold at most {MOST_LABELS} names"


def _label_length(field: Field, value: object) -> str | None:
    if isinstance(value, list) and all(
        isinstance(item, str) and len(item) <= (field.max_length or 0) for item in value
    ):
        return None
    return f"must hold names of at most {field.max_length} characters"


def _object(field: Field, value: object) -> str | None:
    return None if isinstance(value, dict) else "must be an object of custom fields, by their keys"


def _hours(field: Field, value: object) -> str | None:
    if isinstance(value, dict) and "hours" in value and all(isinstance(item, list) for item in value.values()):
        return None
    return "must be an object with the key hours, and each key's value an array"


def _iso_dates(field: Field, value: object) -> str | None:
    if isinstance(value, dict):
        for dates in value.values():
            if isinstance(dates, list) and not all(map(is_iso_date, dates)):
                return "must hold ISO 8601 dates only, such as 2021-04-22T10:00:00.000Z"
    return None


def _string_values(field: Field, value: object) -> str | None:
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return None
    return "must be an object whose values are all text"


def _pairs_of_two(field: Field, value: object) -> str | None:
    if isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], str)
        for pair in value
    ):
        return None
    return "must be an array of pairs, each a question and an answer as text"


def _comparables(field: Field, value: object) -> str | None:
    if not isinstance(value, list):
        return "must be an array of objects"
    for row in value:
        if not isinstance(row, dict):
            return "must be an array of objects"
        if not row.keys() <= _COMPARABLE_KEYS:
            return f"must have no keys but {', '.join(sorted(_COMPARABLE_KEYS))}"
        if not isinstance(row.get("address"), str | None):
            return "must have text as address"
        for key in _COMPARABLE_NUMBERS:
            number = row.get(key)
            if number is not None and not (_is_number(number) and _is_short(number)):
                return f"must have a number of at most {SIGNIFICANT_DIGITS} digits as {key}"
        if row.get("date") is not None and not is_iso_date(row["date"]):
            return "must have an ISO 8601 date as date"
        coords = row.get("coords")
        if coords is not None and not (
            isinstance(coords, dict) and coords.keys() == {"x", "y"} and all(map(_is_coordinate, coords.values()))
        ):
            return "must have the numbers x and y, from -180 to 180, as coords"
    return None


def _is_coordinate(value: object) -> bool:
    return (type(value) is int or type(value) is float) and -180 <= value <= 180


# --- profile rules ---------------------------------------------------------------------------------------------------


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _missing_field(field: Field, values: Values) -> bool:
    """A full name that was not given counts as there when it can be derived."""
    value = values.get(field.key)
    if value is None and field.key == "full_name":
        return _joined_name(values) is None
    return _missing(value)


def _required(field: Field, values: Values, before: Values) -> str | None:
    return "is required" if _missing_field(field, values) else None


def _required_address(field: Field, values: Values, before: Values) -> str | None:
    if values.get("type") in NEEDS_ADDRESS and _missing(values.get(field.key)):
        return f"is required when type is {values['type']}"
    return None


def _required_advert(field: Field, values: Values, before: Values) -> str | None:
    if values.get("type") in NEEDS_ADVERT and values.get("office_id") is None and _missing(values.get(field.key)):
        return f"is required when type is {values['type']} and no office is given"
    return None


def _required_reference(field: Field, values: Values, before: Values) -> str | None:
    if values.get("type") in NEEDS_ADVERT and _missing(values.get(field.key)):
        return f"is required when type is {values['type']}"
    return None


def _contactable(field: Field, values: Values, before: Values) -> str | None:
    if all(_missing_field(BY_KEY[key], values) for key in ("full_name", "email", "phone")):
        return "is required when there is neither e-mail nor phone"
    return None


def _kept(field: Field, values: Values, before: Values) -> str | None:
    if not _missing(before.get(field.key)) and _missing(values.get(field.key)):
        return "cannot be emptied once it is set"
    return None


RULES: dict[str, Rule] = {
    "text": Rule(value=_text),
    "control_characters": Rule(value=_control_characters),
    "length": Rule(value=_length),
    "email": Rule(value=_email),
    "choice": Rule(value=_choice),
    "number": Rule(value=_number),
    "digits": Rule(value=_digits),
    "decimals": Rule(value=_decimals),
    "integer": Rule(value=_integer),
    "boolean": Rule(value=_boolean),
    "reference": Rule(value=_reference),
    "iso_date": Rule(value=_iso_date),
    "texts": Rule(value=_texts_only),
    "label_count": Rule(value=_label_count),
    "label_length": Rule(value=_label_length),
    "object": Rule(value=_object),
    "hours": Rule(value=_hours),
    "iso_dates": Rule(value=_iso_dates),
    "string_values": Rule(value=_string_values),
    "pairs_of_two": Rule(value=_pairs_of_two),
    "comparables": Rule(value=_comparables),
    "bytes": Rule(value=_bytes),
    "required": Rule(record=_required),
    "required_address": Rule(record=_required_address),
    "required_advert": Rule(record=_required_advert),
    "required_reference": Rule(record=_required_reference),
    "contactable": Rule(record=_contactable),
    "type_kept": Rule(record=_kept),
    "kept": Rule(record=_kept),
}

# The rules of each kind in the order they are asked; the first that fails is the field's violation.
RULES_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "control_characters", "length"),
    "email": ("text", "control_characters", "length", "email"),
    "choice": ("choice",),
    "number": ("number", "decimals", "digits"),
    "integer": ("integer",),
    "boolean": ("boolean",),
    "reference": ("reference",),
    "hours": ("hours", "iso_dates", "control_characters", "bytes"),
    "pairs": ("string_values", "control_characters", "bytes"),
    "questions": ("pairs_of_two", "control_characters", "bytes"),
    "comparables": ("comparables", "control_characters", "bytes"),
    "datetime": ("iso_date",),
    "texts": ("texts", "control_characters", "bytes"),
    "labels": ("texts", "label_count", "label_length", "control_characters"),
    "custom": ("object", "control_characters", "bytes"),
}

_ALWAYS: Final = (
    ("type_kept", ("type",)),
    ("kept", tuple(field.key for field in FIELDS if field.writeable and (field.kept or not field.nullable))),
)

# A lead of the leads API, and any lead that has a type.
LEADPRO: Final = Profile(
    "leadpro",
    (
        ("required", ("full_name", "email", "phone", "type")),
        ("required_address", ("address", "postcode")),
        ("required_advert", ("advert_address", "advert_postcode")),
        ("required_reference", ("property_reference",)),
        *_ALWAYS,
    ),
)

# A lead without a type, from staff, a form, an import or another system.
UNTYPED: Final = Profile("untyped", (("contactable", ("full_name",)), *_ALWAYS))

# Read-only fields come from us, not from a writer; comparable_props are read-only for clients and edited by staff.
_JUDGED: Final = {
    field.key: (EMPTY.get(field.kind), field) for field in FIELDS if field.writeable or field.kind == "comparables"
}

_PLACE: Final = {key: place for place, key in enumerate(_JUDGED)}


def judge_value(field: Field, value: object) -> Violation | None:
    """The first rule of the field's kind that a value breaks. It need not be a field of the catalogue."""
    for name in RULES_OF_KIND[field.kind]:
        rule = RULES.get(name)
        if rule is not None and rule.value is not None and (message := rule.value(field, value)) is not None:
            return Violation(field.key, name, message)
    return None


def validate(
    values: Values, profile: Profile | None = None, before: Values | None = None, *, changed_only: bool = False
) -> list[Violation]:
    """Judge a lead; at most one violation for each field, value rules first, in the order of the catalogue.

    values   the merged record by catalogue key: what is stored, overlaid with what the writer sent. Keys that are not
             in the catalogue are not looked at. "" in a text without a minimum length passes: see blank_to_none().
    profile  what the lead must have as a whole, see profile_for(); None asks the value rules only.
    before   the record as stored; None when it is being created.
    changed_only   leave out the value rules of texts, numbers and the like that are as they were stored.
    """
    found: dict[str, Violation] = {}
    stored: Values = {} if before is None else before
    changed_only = changed_only and bool(stored)
    for key, value in values.items():
        if value is None or key not in _JUDGED:
            continue
        empty, field = _JUDGED[key]
        if not value and value == empty:
            continue  # unset
        if changed_only and _is_same(value, stored.get(key)):
            continue
        if (violation := judge_value(field, value)) is not None:
            found[key] = violation
    if len(found) > 1:
        found = {key: found[key] for key in sorted(found, key=_PLACE.__getitem__)}
    if profile is not None:
        for name, keys in profile.rules:
            rule = RULES.get(name)
            if rule is None or rule.record is None or (rule.record is _kept and not stored):
                continue
            for key in keys:
                if key not in found and (message := rule.record(BY_KEY[key], values, stored)) is not None:
                    found[key] = Violation(key, name, message)
    return list(found.values())


def _is_same(value: object, stored: object) -> bool:
    """Of what has parts never, unless it is empty: there 1 and true would pass for one."""
    return type(value) is type(stored) and value == stored and not (value and type(value) in _OF_PARTS)


_OF_PARTS: Final = (list, dict)


def profile_for(values: Values, *, leads_api: bool = False, reference_required: bool = True) -> Profile:
    """The profile of a merged record: LEADPRO when it has a type or is written through the leads API, else UNTYPED.

    reference_required is the setting LEADPRO_REFERENCE_REQUIRED: LeadPro's page leaves open whether property_reference
    is mandatory for sale and let, or only meaningful there.
    """
    if not leads_api and _missing(values.get("type")):
        return UNTYPED
    return LEADPRO if reference_required else _LEADPRO_LENIENT


_LEADPRO_LENIENT: Final = LEADPRO.without("required_reference")


# --- what follows from what was given --------------------------------------------------------------------------------


def blank_to_none(values: Values) -> dict[str, object]:
    """The same values, "" made None where a text has no minimum length; elsewhere "" stays, to be refused."""
    return {key: None if value == "" and key in _MAY_BE_BLANK else value for key, value in values.items()}


_MAY_BE_BLANK: Final = frozenset(field.key for field in FIELDS if field.kind == "text" and field.min_length is None)


def derive(values: Values, before: Values | None = None) -> dict[str, object]:
    """What follows from a merged record: full_name, full_name_derived, phone_e164 and callable, to be laid over it;
    of a new one also email, which is its business or else its personal one when none is given.

    before is the record as stored, with those four; None when it is being created. A name that was derived follows its
    parts; a writer who sends a derived name back unchanged has not given one. A given name is never touched.
    phone_e164 is None when the phone cannot be read as a number; without a country code it is read as a UK one.
    """
    stored: Values = {} if before is None else before
    name = values.get("full_name")
    joined = _joined_name(values)
    derived = (
        name is None
        or (bool(stored.get("full_name_derived")) and name == stored.get("full_name"))
        or (bool(values.get("full_name_derived")) and name == joined)  # derived before: the same again
    )
    if derived:
        name = joined
    phone = values.get("phone")
    if phone is not None and phone == stored.get("phone") and "phone_e164" in stored and "callable" in stored:
        e164, callable_ = stored["phone_e164"], stored["callable"]  # parsing is the dearest step of a save
    else:
        e164, callable_ = read_phone(phone)
    follows: dict[str, object] = {
        "full_name": name,
        "full_name_derived": derived and name is not None,
        "phone_e164": e164,
        "callable": callable_,
    }
    if before is None and values.get("email") is None:
        others = (values.get(key) for key in ("business_email", "personal_email"))
        follows["email"] = next((email for email in others if isinstance(email, str)), None)
    return follows


def _joined_name(values: Values) -> str | None:
    parts = [part for key in ("first_name", "last_name") if isinstance(part := values.get(key), str) and part.strip()]
    return " ".join(parts)[: BY_KEY["full_name"].max_length] or None


def read_phone(phone: object) -> tuple[str | None, bool]:
    """A phone as entered -> (E.164 or None, whether it is a valid UK number, which the autocaller calls)."""
    if not isinstance(phone, str):
        return None, False
    return _read_phone(phone)


# A record that is created asks twice: before its row is written, and when the rules are judged. Parsing is dear, and
# many leads may be created in between.
@lru_cache(maxsize=16_384)
def _read_phone(phone: str) -> tuple[str | None, bool]:
    if match := _USUAL_PHONE.fullmatch(phone):
        # What parsing would come to, for a quarter of the time.
        number = phonenumbers.PhoneNumber(UK_CODE, int(match[1]))
        if _USUAL_MOBILE.fullmatch(match[1]) or _is_uk(number):
            return f"+{UK_CODE}{match[1]}", True
    try:
        number = phonenumbers.parse(phone, "GB")
    except phonenumbers.NumberParseException:
        return None, False
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None, False
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164, number.country_code == UK_CODE and _is_uk(number)


_USUAL_PHONE = re.compile(r"(?:0|\+44)([1-9]\d{9})", re.ASCII)
# What makes a number a mobile one of Great Britain, and thus a valid one.
_GREAT_BRITAIN: Any = phonenumbers.PhoneMetadata.metadata_for_region("GB")
_USUAL_MOBILE = re.compile(_GREAT_BRITAIN.mobile.national_number_pattern)


def _is_uk(number: phonenumbers.PhoneNumber) -> bool:
    return any(phonenumbers.is_valid_number_for_region(number, region) for region in UK_REGIONS)
