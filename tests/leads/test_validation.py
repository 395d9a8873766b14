"""The rules of a lead, as tables: what is refused and under which rule, and the nearest thing that is accepted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leads.fields import BY_KEY, FIELDS
from leads.validation import (
    LEADPRO,
    RULES,
    RULES_OF_KIND,
    UNTYPED,
    Rule,
    Violation,
    blank_to_none,
    derive,
    is_iso_date,
    profile_for,
    read_phone,
    validate,
)

Lead = dict[str, Any]

TEXTS = [field.key for field in FIELDS if field.kind == "text" and field.writeable]
NUMBERS = [field.key for field in FIELDS if field.kind == "number"]
JUDGED = [field.key for field in FIELDS if field.writeable or field.key == "comparable_props"]

COMPARABLE: Lead = {
    "address": "68 Uftwen Road",
    "beds": 4,
    "coords": {"x": -0.082544, "y": 51.5422},
    "date": "2021-02-10T00:00:00.000Z",
    "distance": 166,
    "months_ago": 7,
    "original_asking_price": 2150000,
    "price": 1782500,
    "time_taken_to_sell": 76,
}

VENDOR: Lead = {
    "type": "vendor",
    "full_name": "Richard Smith",
    "email": "richard.smith@gmail.com",
    "phone": "07123456789",
    "address": "51 Asimov Place, Starbridge",
    "postcode": "N1 3JY",
}
SALE: Lead = {
    "type": "sale",
    "full_name": "Richard Smith",
    "email": "richard.smith@gmail.com",
    "phone": "07123456789",
    "advert_address": "51 Asimov Place, Starbridge",
    "advert_postcode": "N1 3JY",
    "property_reference": "SB-51",
}


def broken(found: list[Violation]) -> set[tuple[str, str]]:
    return {(violation.field, violation.rule) for violation in found}


def hours(*dates: object) -> Lead:
    return {"hours": list(dates)}


def sized_meta(size: int) -> Lead:
    """{"k":"..."} of exactly `size` bytes."""
    return {"k": "v" * (size - len('{"k":""}'))}


# --- value rules -----------------------------------------------------------------------------------------------------

# key, value, the rule that refuses it or None
VALUES: list[tuple[str, object, str | None]] = [
    # e-mail
    ("email", "richard.smith@gmail.com", None),
    ("email", "Richard+tag@Example.CO.UK", None),
    ("email", "o'neill@sub-domain.example.com", None),
    ("email", "jürgen@müller.de", None),
    ("email", "jose\u0301@example.com", None),
    ("email", "a@b.co", None),
    ("email", "a@xn--bcher-kva.xn--p1ai", None),
    ("email", "", "email"),
    ("email", "richard", "email"),
    ("email", "richard@", "email"),
    ("email", "@example.com", "email"),
    ("email", "richard@example", "email"),
    ("email", "richard@@example.com", "email"),
    ("email", "richard smith@example.com", "email"),
    ("email", "richard@exam ple.com", "email"),
    ("email", "richard@example.com ", "email"),
    ("email", "richard@example.com\n", "email"),
    ("email", "richard@example..com", "email"),
    ("email", "richard@.example.com", "email"),
    ("email", "richard.@example.com", "email"),
    ("email", ".richard@example.com", "email"),
    ("email", "ric..hard@example.com", "email"),
    ("email", "richard@-example.com", "email"),
    ("email", "richard@example-.com", "email"),
    ("email", "richard@exam_ple.com", "email"),
    ("email", "richard@192.168.0.1", "email"),
    ("email", "richard@192.168.0.10", "email"),
    ("email", "richard@example.c", "email"),
    ("email", "a@b.com,c@d.com", "email"),
    ("email", "Richard <richard@example.com>", "email"),
    ("email", "richard\u200b@example.com", "email"),
    ("email", "r" * 64 + "@example.com", None),
    ("email", "r" * 65 + "@example.com", "email"),
    ("email", "r@" + "x" * 63 + ".com", None),
    ("email", "r@" + "x" * 64 + ".com", "email"),
    ("email", "r@" + "x" * 60 + "." + "y" * 60 + "." + "z" * 60 + "." + "w" * 60 + ".example", None),
    ("email", "rr@" + "x" * 60 + "." + "y" * 60 + "." + "z" * 60 + "." + "w" * 60 + ".example", None),
    ("email", "rrr@" + "x" * 60 + "." + "y" * 60 + "." + "z" * 60 + "." + "w" * 60 + ".example", "length"),
    ("email", {}, "text"),
    ("email", 5, "text"),
    # numbers
    ("average_sale_estimation", 10000, None),
    ("average_sale_estimation", 10000.0, None),
    ("average_sale_estimation", 0, None),
    ("average_sale_estimation", -5, None),
    ("average_sale_estimation", 0.1, None),
    ("average_sale_estimation", 1234.56, None),
    ("average_sale_estimation", 1.005, "decimals"),
    ("average_sale_estimation", 0.1 + 0.2, "decimals"),
    ("average_sale_estimation", 0.001, "decimals"),
    ("average_sale_estimation", 1e-300, "decimals"),
    ("average_sale_estimation", 999_999_999_999_999, None),
    ("average_sale_estimation", 9_999_999_999_999.25, None),
    ("average_sale_estimation", 10**15, "digits"),
    ("average_sale_estimation", -(10**15), "digits"),
    ("average_sale_estimation", 1e15, "digits"),
    ("average_sale_estimation", 1e300, "digits"),
    ("average_sale_estimation", 99_999_999_999_999.25, "digits"),
    ("average_sale_estimation", "10000", "number"),
    ("average_sale_estimation", "", "number"),
    ("average_sale_estimation", True, "number"),
    ("average_sale_estimation", False, "number"),
    ("average_sale_estimation", float("nan"), "number"),
    ("average_sale_estimation", float("inf"), "number"),
    ("average_sale_estimation", [10000], "number"),
    # property_bedrooms
    ("property_bedrooms", 0, None),
    ("property_bedrooms", 4, None),
    ("property_bedrooms", 2**31 - 1, None),
    ("property_bedrooms", 2**31, "integer"),
    ("property_bedrooms", -1, "integer"),
    ("property_bedrooms", 2.5, "integer"),
    ("property_bedrooms", "4", "integer"),
    ("property_bedrooms", True, "integer"),
    ("property_bedrooms", float("nan"), "integer"),
    # references
    ("parent_id", 54, None),
    ("parent_id", 2**63 - 1, None),
    ("parent_id", 2**63, "reference"),
    ("parent_id", 0, "reference"),
    ("parent_id", -1, "reference"),
    ("parent_id", "54", "reference"),
    ("parent_id", 54.0, "reference"),
    ("parent_id", True, "reference"),
    ("office_id", 567, None),
    ("office_id", "567", "reference"),
    ("office_id", {"id": 567}, "reference"),
    # booleans
    ("gdpr_checkbox", False, None),
    ("gdpr_checkbox", True, None),
    ("gdpr_checkbox", 0, "boolean"),
    ("gdpr_checkbox", 1, "boolean"),
    ("gdpr_checkbox", "true", "boolean"),
    ("international", True, None),
    ("international", "", "boolean"),
    # lists
    ("type", "Vendor", "choice"),
    ("type", "mortgage", "choice"),
    ("type", "vendor ", "choice"),
    ("type", "", "choice"),
    ("type", ["vendor"], "choice"),
    ("type", 1, "choice"),
    ("status", "active", "choice"),
    ("status", "unread", "choice"),
    ("status", "NEW", "choice"),
    ("stage", "complete", "choice"),
    ("stage", "NEW CONTACTED", "choice"),
    ("stage", "UNREAD", "choice"),
    ("stage", {}, "choice"),
    ("property_type", "bungalow", "choice"),
    ("property_type", "flat", "choice"),
    ("property_type", "Detached", "choice"),
    ("property_type", "", "choice"),
    # appointment_availability
    ("appointment_availability", hours(), None),
    ("appointment_availability", hours("2021-04-22T10:00:00.000Z", "2021-05-22T10:00:00.000Z"), None),
    ("appointment_availability", {"hours": ["2021-04-22"], "backup": ["2021-04-23T10:00+01:00"]}, None),
    ("appointment_availability", {}, "hours"),
    ("appointment_availability", [], "hours"),
    ("appointment_availability", "2021-04-22", "hours"),
    ("appointment_availability", {"days": ["2021-04-22"]}, "hours"),
    ("appointment_availability", {"hours": "2021-04-22"}, "hours"),
    ("appointment_availability", {"hours": None}, "hours"),
    ("appointment_availability", {"hours": [], "note": "mornings"}, "hours"),
    ("appointment_availability", hours("tomorrow"), "iso_dates"),
    ("appointment_availability", hours("2021-04-22", 1619085600), "iso_dates"),
    ("appointment_availability", hours(None), "iso_dates"),
    ("appointment_availability", hours(["2021-04-22"]), "iso_dates"),
    ("appointment_availability", {"hours": [], "backup": ["soon"]}, "iso_dates"),
    ("appointment_availability", {"hours": [], "a\x00b": []}, "control_characters"),
    ("appointment_availability", {"hours": [], "\ud800": []}, "control_characters"),
    # 27 bytes each with quotes and comma, 11 around them: 2,036; one more passes 2,048
    ("appointment_availability", hours(*["2021-04-22T10:00:00.000Z"] * 75), None),
    ("appointment_availability", hours(*["2021-04-22T10:00:00.000Z"] * 76), "bytes"),
    # meta
    ("meta", {}, None),
    ("meta", {"virtual tour": "true"}, None),
    ("meta", {"": ""}, None),
    ("meta", {"virtual tour": True}, "string_values"),
    ("meta", {"n": 1}, "string_values"),
    ("meta", {"n": None}, "string_values"),
    ("meta", {"n": ["a"]}, "string_values"),
    ("meta", {"n": {"a": "b"}}, "string_values"),
    ("meta", [], "string_values"),
    ("meta", '{"virtual tour": "true"}', "string_values"),
    ("meta", {"a": "NUL\x00"}, "control_characters"),
    ("meta", {"key\x07": "bell"}, "control_characters"),
    ("meta", sized_meta(1024), None),
    ("meta", sized_meta(1025), "bytes"),
    ("meta", {"k": "é" * 508}, None),  # 2 bytes each: 1,024
    ("meta", {"k": "é" * 509}, "bytes"),
    ("meta", {"k": "\U0001f3e0" * 254}, None),  # 4 bytes each: 1,024, as UTF-8 and not as \ud83c\udfe0
    ("meta", {"k": "\U0001f3e0" * 255}, "bytes"),
    ("meta", {"k": "\n" * 508}, None),  # an escape is two bytes
    ("meta", {"k": "\n" * 509}, "bytes"),
    # questionnaire
    ("questionnaire", [], None),
    ("questionnaire", [["Do you have property to sell?", "yes"], ["When would you like to move", "Before july"]], None),
    ("questionnaire", [["only a question"]], "pairs_of_two"),
    ("questionnaire", [["a", "b", "c"]], "pairs_of_two"),
    ("questionnaire", [["a", 1]], "pairs_of_two"),
    ("questionnaire", [["a", True]], "pairs_of_two"),
    ("questionnaire", [["a", None]], "pairs_of_two"),
    ("questionnaire", [[["a"], "b"]], "pairs_of_two"),
    ("questionnaire", ["ab"], "pairs_of_two"),
    ("questionnaire", [["a", "b"], []], "pairs_of_two"),
    ("questionnaire", {"a": "b"}, "pairs_of_two"),
    ("questionnaire", [["a", "b\x1b[31m"]], "control_characters"),
    ("questionnaire", [["a", "b" * 2038]], None),  # [["a",""]] is 10 bytes
    ("questionnaire", [["a", "b" * 2039]], "bytes"),
    # comparable_props
    ("comparable_props", [], None),
    ("comparable_props", [COMPARABLE], None),
    ("comparable_props", [{}], None),
    ("comparable_props", [{"coords": {"x": 151.2, "y": -33}}], None),
    ("comparable_props", [{"address": None, "coords": None, "date": None, "beds": None}], None),
    ("comparable_props", COMPARABLE, "comparables"),
    ("comparable_props", ["68 Uftwen Road"], "comparables"),
    ("comparable_props", [COMPARABLE | {"colour": "red"}], "comparables"),
    ("comparable_props", [COMPARABLE | {"address": 68}], "comparables"),
    ("comparable_props", [COMPARABLE | {"beds": "4"}], "comparables"),
    ("comparable_props", [COMPARABLE | {"beds": True}], "comparables"),
    ("comparable_props", [COMPARABLE | {"price": float("inf")}], "comparables"),
    ("comparable_props", [COMPARABLE | {"date": "10 Feb 2021"}], "comparables"),
    ("comparable_props", [COMPARABLE | {"coords": {"x": 1}}], "comparables"),
    ("comparable_props", [COMPARABLE | {"coords": {"x": 1, "y": "2"}}], "comparables"),
    ("comparable_props", [COMPARABLE | {"coords": {"x": 1, "y": True}}], "comparables"),
    ("comparable_props", [COMPARABLE | {"coords": {"x": 1, "y": float("nan")}}], "comparables"),
    ("comparable_props", [COMPARABLE | {"coords": {"x": 181, "y": 2}}], "comparables"),
    ("comparable_props", [COMPARABLE | {"coords": [1, 2]}], "comparables"),
    ("comparable_props", [COMPARABLE | {"address": "a\x00"}], "control_characters"),
    ("comparable_props", [COMPARABLE] * 19, None),
    ("comparable_props", [COMPARABLE] * 20, "bytes"),
]


def titled(row: tuple[str, object, str | None]) -> str:
    key, value, rule = row
    return (
        f"{key}-{rule or 'accepted'}-{ascii(value)[:40]}" if type(value) is not int else f"{key}-{rule or 'accepted'}"
    )


@pytest.mark.parametrize(("key", "value", "rule"), VALUES, ids=map(titled, VALUES))
def test_value(key: str, value: object, rule: str | None) -> None:
    assert broken(validate({key: value})) == ({(key, rule)} if rule else set())


@pytest.mark.parametrize(
    ("key", "filled"),
    [
        ("meta", lambda length: {"k": "v" * length}),
        ("meta", lambda length: {"k" * length: "v"}),
        ("questionnaire", lambda length: [["q" * length, "a"]]),
        ("appointment_availability", lambda length: {"hours": [], "k" * length: ["2021-04-22"]}),
        ("comparable_props", lambda length: [COMPARABLE, {"address": "a" * length}]),
    ],
)
def test_size_is_that_of_compact_json_to_the_byte(key: str, filled: Callable[[int], object]) -> None:
    limit = BY_KEY[key].max_bytes
    assert limit is not None
    room = limit - len(json.dumps(filled(1), separators=(",", ":"))) + 1
    assert len(json.dumps(filled(room), separators=(",", ":"))) == limit
    assert validate({key: filled(room)}) == []
    assert broken(validate({key: filled(room + 1)})) == {(key, "bytes")}


@pytest.mark.parametrize("key", TEXTS)
def test_length_counts_characters_not_bytes(key: str) -> None:
    field = BY_KEY[key]
    assert field.max_length is not None
    assert validate({key: "\U0001f600" * field.max_length}) == []
    assert broken(validate({key: "x" * (field.max_length + 1)})) == {(key, "length")}
    assert broken(validate({key: "x" * 1_000_000})) == {(key, "length")}
    if field.min_length is None:
        assert validate({key: ""}) == []
    else:
        assert validate({key: "x" * field.min_length}) == []
        assert broken(validate({key: "x" * (field.min_length - 1)})) == {(key, "length")}


@pytest.mark.parametrize("key", TEXTS)
@pytest.mark.parametrize("value", [True, False, 0, 7123456789, 1.5, [], ["a"], {}, {"a": "b"}], ids=repr)
def test_text_is_text(key: str, value: object) -> None:
    assert broken(validate({key: value})) == {(key, "text")}


@pytest.mark.parametrize("key", TEXTS)
def test_texts_have_no_control_characters(key: str) -> None:
    for bad in (
        "\x00",
        "\x01",
        "\x08",
        "\x0b",
        "\x0c",
        "\x1b",
        "\x1f",
        "\x7f",
        "\x80",
        "\x85",
        "\x9f",
        "\ud800",
        "\udfff",
    ):
        assert broken(validate({key: f"a{bad}b"})) == {(key, "control_characters")}, ascii(bad)
    for good in "\t\n\r \xa0é\u202e\U0001f600<'":
        assert validate({key: f"a{good}b"}) == [], ascii(good)


@pytest.mark.parametrize("key", [field.key for field in FIELDS if field.kind == "choice"])
def test_each_code_of_a_list_is_accepted(key: str) -> None:
    for code, _ in BY_KEY[key].choices:
        assert validate({key: code}) == []


@pytest.mark.parametrize("key", NUMBERS)
def test_every_estimate_is_a_number_of_two_decimals(key: str) -> None:
    assert validate({key: 233333.25}) == []
    assert broken(validate({key: 233333.255})) == {(key, "decimals")}
    assert broken(validate({key: "233333"})) == {(key, "number")}


@pytest.mark.parametrize("key", [field.key for field in FIELDS])
def test_unset_is_fine_for_every_field(key: str) -> None:
    assert validate({key: None}) == []


@pytest.mark.parametrize(
    "value",
    [
        "2021-04-22",
        "2021-04-22T10:00",
        "2021-04-22T10:00:00",
        "2021-04-22T10:00:00Z",
        "2021-04-22T10:00:00.000Z",
        "2000-01-23T01:23:45.678+09:00",
        "2000-01-23T01:23:45.678901234-0330",
        "2021-04-22T10:00:00+01",
        "2024-02-29",
        "2021-04-22T23:59:59.999+14:00",
        "9999-12-31T00:00:00Z",
    ],
)
def test_iso_dates_accepted(value: str) -> None:
    assert is_iso_date(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0000-00-00",
        "0000-01-01",
        "2021-02-29",
        "2021-13-01",
        "2021-04-31T10:00:00Z",
        "2021-04-22T24:00:00Z",
        "2021-04-22T25:00:00Z",
        "2021-04-22T10:60:00Z",
        "2021-04-22T10:00:61Z",
        "2021-04-22T10:00:00+99:00",
        "2021-04-22T10:00:00+24:00",
        "0001-01-01T00:00:00+01:00",  # no such moment in UTC
        "9999-12-31T23:59:59-01:00",
        "22/04/2021",
        "2021-4-22",
        "2021-04",
        "2021",
        "20210422T100000Z",
        "2021-W16-4",
        "2021-04-22 10:00:00",
        "2021-04-22x10:00:00",
        "2021-04-22T10:00:00 Z",
        "2021-04-22T10:00:00Z\n",
        " 2021-04-22",
        "２０２１-04-22",
        "2021-04-22T10:00:00.Z",
        "1619085600",
        "9" * 100_000,
        1619085600,
        True,
        None,
        [],
        {},
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_iso_dates_refused(value: object) -> None:
    assert not is_iso_date(value)


def test_read_only_values_are_not_judged_as_they_are_never_a_writers() -> None:
    values = {field.key: object() for field in FIELDS if not field.writeable and field.key != "comparable_props"}
    assert validate(values) == []


def test_one_violation_for_each_field_in_the_order_of_the_catalogue() -> None:
    values = {"stage": "x", "first_name": "\x00" * 60, "meta": [], "email": "nobody"}
    assert [(v.field, v.rule) for v in validate(values)] == [
        ("first_name", "control_characters"),
        ("email", "email"),
        ("meta", "string_values"),
        ("stage", "choice"),
    ]


MESSAGES: list[tuple[Lead, str]] = [
    ({"type": "house"}, "must be one of sale, vendor, landlord, let, mortgage_request"),
    ({"postcode": "N"}, "must have 2 to 10 characters"),
    ({"phone": "0" * 256}, "must have at most 255 characters"),
    ({"meta": {"k": "v" * 1024}}, "must take at most 1024 bytes as JSON, not 1032"),
    ({"average_rent_estimation": 0.125}, "must have at most 2 decimal places"),
    ({"average_rent_estimation": 10**15}, "must have at most 15 digits"),
]


@pytest.mark.parametrize(("values", "message"), MESSAGES, ids=[message for _, message in MESSAGES])
def test_a_message_names_the_limit(values: Lead, message: str) -> None:
    assert [violation.message for violation in validate(values)] == [message]


def test_no_message_repeats_what_was_sent_or_begs() -> None:
    for key, value, rule in VALUES:
        for violation in validate({key: value}):
            assert "!" not in violation.message and "please" not in violation.message.lower(), rule
            assert violation.message.isprintable() and len(violation.message) < 200
            assert "<b>" not in violation.message


# --- profiles --------------------------------------------------------------------------------------------------------


def without(lead: Mapping[str, object], *keys: str) -> Lead:
    return {key: value for key, value in lead.items() if key not in keys}


def lacks(rule: str, *keys: str) -> set[tuple[str, str]]:
    return {(key, rule) for key in keys}


UNADVERTISED = without(SALE, "advert_address", "advert_postcode")
UNREFERENCED = without(SALE, "property_reference")

# name, lead, what the LEADPRO profile finds
PROFILES: list[tuple[str, Lead, set[tuple[str, str]]]] = [
    ("vendor complete", VENDOR, set()),
    ("sale complete", SALE, set()),
    ("no type", without(VENDOR, "type"), lacks("required", "type")),
    ("no phone", without(VENDOR, "phone"), lacks("required", "phone")),
    ("empty phone", VENDOR | {"phone": ""}, lacks("required", "phone")),
    ("no e-mail", without(VENDOR, "email"), lacks("required", "email")),
    ("no name", without(VENDOR, "full_name"), lacks("required", "full_name")),
    ("null name", VENDOR | {"full_name": None}, lacks("required", "full_name")),
    ("name from its parts", without(VENDOR, "full_name") | {"first_name": "Richard", "last_name": "Smith"}, set()),
    ("name from one part", without(VENDOR, "full_name") | {"last_name": "Smith"}, set()),
    ("name of spaces", VENDOR | {"full_name": "   "}, lacks("required", "full_name")),
    ("name from spaces", without(VENDOR, "full_name") | {"first_name": " "}, lacks("required", "full_name")),
    ("empty name beside parts", VENDOR | {"full_name": "", "first_name": "Ann"}, lacks("length", "full_name")),
    ("number as name", VENDOR | {"full_name": 5}, lacks("text", "full_name")),
    (
        "nothing at all",
        {},
        lacks("required", "full_name", "email", "phone", "type"),
    ),
    ("vendor without address", without(VENDOR, "address"), lacks("required_address", "address")),
    ("vendor with empty address", VENDOR | {"address": ""}, lacks("required_address", "address")),
    ("vendor with blank address", VENDOR | {"address": " "}, lacks("required_address", "address")),
    ("vendor without postcode", without(VENDOR, "postcode"), lacks("required_address", "postcode")),
    (
        "landlord without address",
        without(VENDOR, "address") | {"type": "landlord"},
        lacks("required_address", "address"),
    ),
    (
        "landlord without postcode",
        without(VENDOR, "postcode") | {"type": "landlord"},
        lacks("required_address", "postcode"),
    ),
    (
        "mortgage without both",
        without(VENDOR, "address", "postcode") | {"type": "mortgage_request"},
        lacks("required_address", "address", "postcode"),
    ),
    (
        "vendor with office but no address",
        without(VENDOR, "address") | {"office_id": 1},
        lacks("required_address", "address"),
    ),
    (
        "vendor with advert and reference",
        VENDOR | {"advert_url": "https://a.example", "property_reference": "R"},
        set(),
    ),
    ("sale needs no address", SALE, set()),
    ("sale without advert address", without(SALE, "advert_address"), lacks("required_advert", "advert_address")),
    (
        "let without advert postcode",
        without(SALE, "advert_postcode") | {"type": "let"},
        lacks("required_advert", "advert_postcode"),
    ),
    ("sale with office", UNADVERTISED | {"office_id": 567}, set()),
    ("let with office", UNADVERTISED | {"office_id": 567, "type": "let"}, set()),
    (
        "sale with null office",
        without(SALE, "advert_address") | {"office_id": None},
        lacks("required_advert", "advert_address"),
    ),
    ("sale without reference", UNREFERENCED, lacks("required_reference", "property_reference")),
    ("let without reference", UNREFERENCED | {"type": "let"}, lacks("required_reference", "property_reference")),
    (
        "sale with office but no reference",
        UNREFERENCED | {"office_id": 1},
        lacks("required_reference", "property_reference"),
    ),
    ("unknown type is a value error only", VENDOR | {"type": "house"}, lacks("choice", "type")),
    ("list as type", VENDOR | {"type": ["sale"]}, lacks("choice", "type")),
]


@pytest.mark.parametrize(("lead", "expected"), [row[1:] for row in PROFILES], ids=[row[0] for row in PROFILES])
def test_leadpro_profile(lead: Lead, expected: set[tuple[str, str]]) -> None:
    assert broken(validate(lead, LEADPRO)) == expected


def test_value_rules_alone_ask_for_nothing() -> None:
    assert validate({}) == []
    assert validate({"type": "vendor"}) == []


@pytest.mark.parametrize(
    ("lead", "fits"),
    [
        ({}, False),
        ({"message": "Call me", "address": "51 Asimov Place"}, False),
        ({"full_name": " ", "email": None, "phone": " "}, False),
        ({"title": "Mr"}, False),
        ({"full_name": "Ann"}, True),
        ({"first_name": "Ann"}, True),
        ({"last_name": "Smith"}, True),
        ({"email": "ann@example.com"}, True),
        ({"phone": "+1-555-000-0000"}, True),
    ],
)
def test_a_lead_without_type_needs_one_way_to_name_or_reach_the_person(lead: Lead, fits: bool) -> None:
    assert broken(validate(lead, UNTYPED)) == (set() if fits else {("full_name", "contactable")})


@pytest.mark.parametrize(
    ("lead", "leads_api", "name"),
    [
        ({"email": "a@example.com"}, False, "untyped"),
        ({"email": "a@example.com"}, True, "leadpro"),
        ({"type": None}, False, "untyped"),
        ({"type": None}, True, "leadpro"),
        ({"type": "sale"}, False, "leadpro"),
        ({"type": "house"}, False, "leadpro"),
        ({"type": ["sale"]}, False, "leadpro"),
    ],
)
def test_which_profile(lead: Lead, leads_api: bool, name: str) -> None:
    assert profile_for(lead, leads_api=leads_api).name == name


def test_the_weaker_reading_of_property_reference_drops_that_rule_only() -> None:
    lead = without(SALE, "property_reference", "phone")
    weaker = profile_for(lead, reference_required=False)
    assert broken(validate(lead, weaker)) == {("phone", "required")}
    assert broken(validate(lead, profile_for(lead))) == {
        ("phone", "required"),
        ("property_reference", "required_reference"),
    }
    assert broken(validate(SALE | {"property_reference": "r" * 51}, weaker)) == {("property_reference", "length")}


# name, before, after, what is found by the profile that the lead then has
CHANGES: list[tuple[str, Lead, Lead, set[tuple[str, str]]]] = [
    ("type emptied", VENDOR, VENDOR | {"type": None}, {("type", "type_kept")}),
    ("type dropped", VENDOR, without(VENDOR, "type"), {("type", "type_kept")}),
    ("type still unset", {"email": "a@b.co"}, {"email": "a@b.co", "phone": "1"}, set()),
    ("type first set", without(VENDOR, "type"), VENDOR, set()),
    ("type first set, phone missing", {"email": "a@b.co"}, without(VENDOR, "phone"), {("phone", "required")}),
    (
        "vendor becomes sale",
        VENDOR,
        VENDOR | {"type": "sale"},
        {
            ("advert_address", "required_advert"),
            ("advert_postcode", "required_advert"),
            ("property_reference", "required_reference"),
        },
    ),
    ("status emptied", VENDOR | {"status": "UNREAD"}, VENDOR | {"status": None}, {("status", "kept")}),
    ("stage emptied", VENDOR | {"stage": "NEW"}, VENDOR | {"stage": None}, {("stage", "kept")}),
    ("message emptied", VENDOR | {"message": "Hi"}, VENDOR | {"message": None}, set()),
]


@pytest.mark.parametrize(("before", "after", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_changes_of_a_stored_lead(before: Lead, after: Lead, expected: set[tuple[str, str]]) -> None:
    assert broken(validate(after, profile_for(after), before)) == expected


# --- the registry ----------------------------------------------------------------------------------------------------

PROFILE_RULES: list[tuple[str, Lead, Lead | None]] = [  # rule, a lead that breaks only it, what it was before
    ("required", without(VENDOR, "phone"), None),
    ("required_address", without(VENDOR, "address"), None),
    ("required_advert", without(SALE, "advert_address"), None),
    ("required_reference", without(SALE, "property_reference"), None),
    ("contactable", {"message": "Call me"}, None),
    ("type_kept", without(VENDOR, "type"), VENDOR),
    ("kept", VENDOR | {"status": None}, VENDOR | {"status": "UNREAD"}),
]

# The same for each value rule.
SWITCHED: list[tuple[str, Lead, Lead | None]] = PROFILE_RULES + [
    (rule, {"email": "a@b.co", key: value}, None)
    for rule, key, value in (
        ("text", "first_name", True),
        ("control_characters", "first_name", "a\x00"),
        ("length", "first_name", "x" * 51),
        ("email", "email", "nobody"),
        ("choice", "status", "active"),
        ("number", "average_sale_estimation", "10000"),
        ("digits", "average_sale_estimation", 10**15),
        ("decimals", "average_sale_estimation", 1.005),
        ("integer", "property_bedrooms", -1),
        ("boolean", "gdpr_checkbox", "true"),
        ("reference", "parent_id", "54"),
        ("hours", "appointment_availability", {}),
        ("iso_dates", "appointment_availability", hours("soon")),
        ("string_values", "meta", {"n": 1}),
        ("pairs_of_two", "questionnaire", [["a"]]),
        ("comparables", "comparable_props", [{"beds": "4"}]),
        ("bytes", "meta", sized_meta(1025)),
        ("iso_date", "last_contacted", "soon"),
        ("texts", "import_tags", ["a", ""]),
        ("label_count", "tags", [f"tag {n}" for n in range(101)]),
        ("label_length", "tags", ["x" * 101]),
        ("object", "custom_fields", ["budget"]),
    )
]


def test_the_table_of_switches_knows_every_rule() -> None:
    assert {row[0] for row in SWITCHED} == set(RULES)
    named = {name for names in RULES_OF_KIND.values() for name in names}
    named |= {name for profile in (LEADPRO, UNTYPED) for name, _ in profile.rules}
    assert named == set(RULES)
    assert all((rule.value is None) != (rule.record is None) for rule in RULES.values())


@pytest.mark.parametrize(("name", "lead", "before"), SWITCHED, ids=[row[0] for row in SWITCHED])
def test_a_rule_is_told_by_its_name_and_off_when_taken_out(
    name: str, lead: Lead, before: Lead | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {violation.rule for violation in validate(lead, profile_for(lead), before)} == {name}
    monkeypatch.delitem(RULES, name)
    assert validate(lead, profile_for(lead), before) == []


def test_a_lone_surrogate_is_refused_by_that_rule_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert broken(validate({"meta": {"k": "\ud800"}})) == {("meta", "control_characters")}
    monkeypatch.delitem(RULES, "control_characters")
    assert validate({"meta": {"k": "\ud800"}}) == []


def test_a_rule_can_be_replaced_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "length", Rule(value=lambda field, value: f"not {field.label}"))
    assert validate({"title": "Mr"}) == [Violation("title", "length", "not Title")]


# --- nothing raises --------------------------------------------------------------------------------------------------

# Every code point, lone surrogates too, which the JSON "\ud800" brings in.
ANY_TEXT = st.text(st.characters(), max_size=30)
JSON_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY_TEXT
    | st.sampled_from([10**4000, -(10**4000), 1e400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT | st.just("hours"), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(JUDGED), JSON_VALUE, JSON_VALUE)
def test_no_json_raises(key: str, value: object, stored: object) -> None:
    for violation in validate({key: value}, profile_for({key: value}), {key: stored}):
        assert violation.field in BY_KEY and violation.rule in RULES
    derive({key: value}, {key: stored, "full_name_derived": True})


@settings(max_examples=60, deadline=None)
@given(JSON_VALUE)
def test_no_json_raises_in_any_field_nor_with_any_rule_off(value: object) -> None:
    values = {field.key: value for field in FIELDS}
    validate(values, LEADPRO, values)
    validate(values, UNTYPED, {})
    derive(blank_to_none(values), values)
    # A rule must not lean on the ones asked before it: they may be switched off.
    for field in FIELDS:
        for name in RULES_OF_KIND[field.kind]:
            rule = RULES[name].value
            assert rule is not None
            assert isinstance(rule(field, value), str | None)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("key", JUDGED)
@pytest.mark.parametrize(
    "worst",
    # Beyond Python's limits of recursion and of printing integers.
    [
        pytest.param(nested(100_000), id="deep"),
        pytest.param(10**5000, id="huge"),
        pytest.param(-(10**5000), id="minus"),
    ],
)
def test_deep_nesting_and_huge_integers_are_refused(key: str, worst: object, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[object] = [worst, [worst], [[worst, worst]], {"hours": worst}, {"hours": [worst]}, {"k": worst}]
    shapes += [[{"price": worst}], [{"coords": {"x": worst, "y": 1}}]]
    for value in shapes:
        assert [violation.field for violation in validate({key: value})] == [key]
    for shape in ("hours", "iso_dates", "string_values", "pairs_of_two", "comparables"):
        monkeypatch.delitem(RULES, shape)
    for value in shapes:
        validate({key: value})


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=60))
def test_what_passes_can_be_sent_as_utf8_json(text: str) -> None:
    for key in ("first_name", "message"):
        if not validate({key: text}):
            assert json.loads(json.dumps(text, ensure_ascii=False).encode()) == text


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18))
def test_an_accepted_number_reads_as_written(number: float) -> None:
    if not validate({"average_sale_estimation": number}):
        written = f"{number:.2f}"
        assert float(written) == number
        assert len(written.replace("-", "").replace(".", "").rstrip("0") or "0") <= 15


# --- what is derived -------------------------------------------------------------------------------------------------

STORED_DERIVED: Lead = {"first_name": "Ann", "last_name": "Smith", "full_name": "Ann Smith", "full_name_derived": True}
STORED_GIVEN: Lead = STORED_DERIVED | {"full_name": "Dr Ann Smith", "full_name_derived": False}

# name, merged values, before, full_name, full_name_derived
NAMES: list[tuple[str, Lead, Lead | None, object, bool]] = [
    ("both parts", {"first_name": "Ann", "last_name": "Smith"}, None, "Ann Smith", True),
    ("first only", {"first_name": "Ann"}, None, "Ann", True),
    ("last only", {"last_name": "Smith", "first_name": None}, None, "Smith", True),
    ("an empty part", {"first_name": "", "last_name": "Smith"}, None, "Smith", True),
    ("a blank part", {"first_name": "  ", "last_name": "Smith"}, None, "Smith", True),
    ("no part", {}, None, None, False),
    ("title is no part", {"title": "Sir", "first_name": "Richard"}, None, "Richard", True),
    ("a part of another kind", {"first_name": ["Ann"], "last_name": "Smith"}, None, "Smith", True),
    ("cut to 100", {"first_name": "a" * 50, "last_name": "b" * 50}, None, "a" * 50 + " " + "b" * 49, True),
    ("given", {"first_name": "Ann", "last_name": "Smith", "full_name": "Dr Ann"}, None, "Dr Ann", False),
    ("given, alike the parts", {"first_name": "Ann", "full_name": "Ann"}, None, "Ann", False),
    ("given null", {"first_name": "Ann", "full_name": None}, None, "Ann", True),
    ("given empty stays, to be refused", {"first_name": "Ann", "full_name": ""}, None, "", False),
    ("given of another kind stays, to be refused", {"first_name": "Ann", "full_name": 5}, None, 5, False),
    ("follows a part", STORED_DERIVED | {"first_name": "Anna"}, STORED_DERIVED, "Anna Smith", True),
    ("follows when a part is emptied", STORED_DERIVED | {"last_name": None}, STORED_DERIVED, "Ann", True),
    ("vanishes with its parts", STORED_DERIVED | {"first_name": None, "last_name": None}, STORED_DERIVED, None, False),
    ("sent back unchanged is not given", dict(STORED_DERIVED), STORED_DERIVED, "Ann Smith", True),
    ("a name given later", STORED_DERIVED | {"full_name": "Annie"}, STORED_DERIVED, "Annie", False),
    ("a given one stays", STORED_GIVEN | {"first_name": "Anna"}, STORED_GIVEN, "Dr Ann Smith", False),
    ("a given one emptied is derived", STORED_GIVEN | {"full_name": None}, STORED_GIVEN, "Ann Smith", True),
]


@pytest.mark.parametrize(
    ("values", "before", "full_name", "derived"), [row[1:] for row in NAMES], ids=[row[0] for row in NAMES]
)
def test_full_name(values: Lead, before: Lead | None, full_name: object, derived: bool) -> None:
    result = derive(values, before)
    assert (result["full_name"], result["full_name_derived"]) == (full_name, derived)


PHONES: list[tuple[object, str | None, bool]] = [
    ("07123456789", "+447123456789", True),
    ("+447123456789", "+447123456789", True),
    ("+44 (0)7123 456 789", "+447123456789", True),
    ("0044 7123 456789", "+447123456789", True),
    ("020 7946 0958", "+442079460958", True),
    ("01534 440000", "+441534440000", True),  # Jersey
    ("07797 712345", "+447797712345", True),  # Jersey
    ("07781 123456", "+447781123456", True),  # Guernsey
    ("07624 123456", "+447624123456", True),  # Isle of Man
    ("+353 1 234 5678", "+35312345678", False),
    ("+1-555-000-0000", "+15550000000", False),
    ("+1 212 555 2368", "+12125552368", False),
    ("15555555555", None, False),
    ("07700 900123", "+447700900123", False),  # reserved for fiction
    ("999", None, False),
    ("12345", None, False),
    ("ask at reception", None, False),
    ("", None, False),
    ("+", None, False),
    ("0" * 255, None, False),
    ("\ud800", None, False),
    (None, None, False),
    (7123456789, None, False),
    (["07123456789"], None, False),
]


@pytest.mark.parametrize(("phone", "e164", "uk"), PHONES, ids=[ascii(row[0])[:30] for row in PHONES])
def test_phone(phone: object, e164: str | None, uk: bool) -> None:
    assert read_phone(phone) == (e164, uk)
    result = derive({"phone": phone})
    assert (result["phone_e164"], result["callable"]) == (e164, uk)
    if isinstance(phone, str):
        # Whether it can be called is no reason to refuse it; NUL and the like are.
        assert {v.rule for v in validate({"phone": phone})} <= {"control_characters"}


def test_an_unchanged_phone_is_not_read_again_and_a_changed_one_is() -> None:
    stored: Lead = {"phone": "07123456789", "phone_e164": "+440000000000", "callable": False}
    assert derive({"phone": "07123456789"}, stored)["phone_e164"] == "+440000000000"
    assert derive({"phone": "07123456780"}, stored)["phone_e164"] == "+447123456780"
    assert derive({"phone": None}, stored) | {} == {
        "full_name": None,
        "full_name_derived": False,
        "phone_e164": None,
        "callable": False,
    }
    # Values by catalogue key alone do not know what was read.
    assert derive({"phone": "07123456789"}, {"phone": "07123456789"})["phone_e164"] == "+447123456789"


def test_values_that_are_as_they_were_stored_need_not_be_judged_again() -> None:
    stored = VENDOR | {"title": "x" * 11, "comparable_props": [{"beds": 1}]}
    now = stored | {"last_name": "y" * 51, "comparable_props": [{"beds": True}]}  # which Python takes for the same
    assert broken(validate(now, None, stored)) == {
        ("title", "length"),
        ("last_name", "length"),
        ("comparable_props", "comparables"),
    }
    assert broken(validate(now, None, stored, changed_only=True)) == {
        ("last_name", "length"),
        ("comparable_props", "comparables"),
    }


def test_derived_values_pass_the_rules_and_change_nothing_the_second_time() -> None:
    lead = without(VENDOR, "full_name") | {"first_name": "a" * 50, "last_name": "b" * 50}
    once = lead | derive(lead)
    assert validate(once, profile_for(once)) == []
    assert once | derive(once, once) == once


def test_empty_text_is_unset_only_where_no_length_is_asked() -> None:
    blank = blank_to_none({field.key: "" for field in FIELDS if field.writeable} | {"unknown": ""})
    assert {key for key, value in blank.items() if value is None} == {
        "phone",
        "source",
        "address",
        "advert_address",
        "advert_url",
        "advert_image",
        "message",
        "host",
        "property_reference",
        *(field.key for field in FIELDS if field.kind == "text" and field.writeable and "leadpro" not in field.systems),
    }
    assert blank_to_none({"message": " ", "host": "h", "gdpr_checkbox": False}) == {
        "message": " ",
        "host": "h",
        "gdpr_checkbox": False,
    }
