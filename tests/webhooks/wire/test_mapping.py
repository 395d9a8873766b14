"""The inbound field map: paths by LE-A15, what rows make of what they find, and that nothing which comes breaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.mapping import (
    LONGEST_PATH,
    MOST_ROWS,
    MOST_SEGMENTS,
    MOST_VALUES,
    TRANSFORMS,
    Kind,
    Mapped,
    Row,
    Step,
    escaped,
    look_up,
    path_fault,
    read,
    translate,
    write,
)


def phone(text: str) -> str | None:
    return f"+44{text[1:]}" if text.startswith("0") else None


def mapped(document: object, row: Row, kind: Kind = "text") -> Mapped:
    return translate(document, [row], {row.field: kind}, phone)


def value(document: object, path: str, kind: Kind = "text", *steps: Step, **options: Any) -> Any:
    """What becomes of the field; ... when it is left alone."""
    found = mapped(document, Row("field", path, steps=steps, **options), kind)
    assert not found.faults, found.faults
    return found.values.get("field", ...)


def rule(document: object, path: str, kind: Kind, *steps: Step) -> str:
    """The rule that is broken."""
    found = mapped(document, Row("field", path, steps=steps), kind)
    assert "field" not in found.values
    [fault] = found.faults
    assert (fault.field, fault.path) == ("field", path)
    assert fault.message.startswith("must be ")
    return fault.rule


# --- paths (LE-A15) --------------------------------------------------------------------------------------------------

CONTACT = {"contact": {"work": {"email": "jo@example.com"}, "phones": ["1", "2"]}, "email": "flat@example.com"}


@pytest.mark.parametrize(
    ("document", "path", "found"),
    [
        (CONTACT, "email", ["flat@example.com"]),
        (CONTACT, "contact/work/email", ["jo@example.com"]),
        (CONTACT, "contact/private/email", []),
        (CONTACT, "email/work", []),
        (CONTACT, "Email", []),
        (CONTACT, "contact/phones", [["1", "2"]]),
        (CONTACT, "contact/phones/0", ["1"]),
        (CONTACT, "contact/phones/1", ["2"]),
        (CONTACT, "contact/phones/2", []),
        (CONTACT, "contact/phones/-1", []),
        (CONTACT, "contact/phones/00", ["1"]),
        (CONTACT, "contact/phones/99999999999999999999", []),
        # A number is an index of an array, and a name of an object.
        ({"0": "zero"}, "0", ["zero"]),
        ([{"a": 1}, {"a": 2}], "1/a", [2]),
        # Any other segment maps over the elements.
        ([{"a": 1}, {"b": 9}, 7, None, {"a": 2}], "a", [1, 2]),
        ({"people": [{"mail": [{"x": 1}, {"x": 2}]}, {"mail": [{"x": 3}]}]}, "people/mail/x", [1, 2, 3]),
        # ~1 stands for / and ~0 for ~.
        ({"a/b": 1, "a": {"b": 2}}, "a~1b", [1]),
        ({"a~b": 1}, "a~0b", [1]),
        ({"a~1b": 1, "a/b": 2}, "a~01b", [1]),
        ({"~/": 1}, "~0~1", [1]),
        ({"~0": 1}, "~00", [1]),
        ({"": {"x": 1}}, "x", []),
        ({"naïve 名": 1}, "naïve 名", [1]),
        # A choice among the elements of an array.
        ([{"key": "email", "value": 1}, {"key": "phone", "value": 2}], "key=phone/value", [2]),
        ([{"key": "email", "value": 1}, {"key": "email", "value": 2}], "key=email/value", [1, 2]),
        ([{"key": 5, "value": 1}, {"key": True, "value": 2}, {"key": None}], "key=5/value", [1]),
        ([{"key": True}], "key=True", []),
        ([{"key": 5}], "key=05", []),
        ([{"key": -5, "v": 1}, {"key": 5}], "key=-5/v", [1]),
        ([{"key": 5}], "key=--5", []),
        ([{"key": 10**5000}], "key=1", []),
        ([{"key": "a=b", "v": 1}], "key=a~2b/v", [1]),
        ([{"a=b": 1}], "a~2b", [1]),
        ([{"k=y": "x", "v": 1}], "k~2y=x/v", [1]),
        ([{"key": "", "v": 1}], "key=/v", [1]),
        ([{"key": "a=b", "v": 1}], "key=a=b/v", [1]),
        ([{"key": "a/b", "v": 1}], "key=a~1b/v", [1]),
        ({"key=email": 1}, "key=email", [1]),
        # By what lies within an element; a name with a dot goes before.
        ([{"field": {"ref": "name"}, "text": "Jo"}, {"field": {"ref": "x"}}], "field.ref=name/text", ["Jo"]),
        ([{"field.ref": "name", "field": {"ref": "x"}, "text": "Jo"}], "field.ref=name/text", ["Jo"]),
        ([{"field": "name", "text": "Jo"}], "field.ref=name/text", []),
        ([{"a": {"b": {"c": 1}}, "v": 2}], "a.b.c=1/v", [2]),
        ("text", "x", []),
        (None, "x", []),
        (5, "0", []),
    ],
)
def test_what_a_path_leads_to(document, path, found):
    assert path_fault(path) is None
    assert look_up(document, path) == found


def test_a_path_leads_to_a_thousand_values_at_most():
    assert len(look_up([{"a": 1}] * 5000, "a")) == MOST_VALUES
    wide = [{"a": [{"b": 1}] * 100}] * 100
    assert len(look_up(wide, "a/b")) == MOST_VALUES


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("", "empty"),
        ("/a", "begin"),
        ("a/", "end"),
        ("a//b", "two of them"),
        ("a~b", "~0"),
        ("~", "~0"),
        ("a~3", "~0"),
        ("a" * (LONGEST_PATH + 1), "characters"),
        ("a/" * MOST_SEGMENTS + "a", "segments"),
    ],
)
def test_what_is_no_path(path, fault):
    assert fault in path_fault(path)


@given(st.text(min_size=1))
def test_a_name_escaped_leads_to_what_is_under_it(name):
    assert look_up({name: 1}, escaped(name)) == [1]
    if not (name.isascii() and name.isdigit()):  # which is an index there
        assert look_up([{name: 1}], escaped(name)) == [1]


# --- one value, or several -------------------------------------------------------------------------------------------


def test_a_single_field_takes_the_first_that_is_not_empty():
    people = [{"email": None}, {"email": "  "}, {"email": []}, {"email": "jo@example.com"}, {"email": "x@example.com"}]
    assert value(people, "email", "email") == "jo@example.com"
    assert value({"emails": ["", "jo@example.com"]}, "emails", "email") == "jo@example.com"
    assert value({"n": [None, 0, 5]}, "n", "integer") == 0
    assert value({"b": [None, False, True]}, "b", "boolean") is False


def test_several_takes_all():
    assert value({"tags": ["a", "", None, "b"]}, "tags", "several") == ["a", "b"]
    assert value([{"tag": "a"}, {"tag": ["b", "c"]}, {}], "tag", "several") == ["a", "b", "c"]
    assert value({"tags": "a"}, "tags", "several") == ["a"]
    assert value({"tags": [1, 2.0, 2.5]}, "tags", "several") == ["1", "2", "2.5"]


def test_any_takes_it_as_it_came():
    questions = [["q", "a"], ["q2", "b"]]
    assert value({"q": questions}, "q", "any") == questions
    assert value({"meta": {"a": "b"}}, "meta", "any") == {"a": "b"}


def test_what_came_empty_is_none_and_what_did_not_come_is_left_alone():
    for empty in (None, "", "  ", [], [None], ["", None]):
        assert value({"a": empty}, "a") is None
    assert value({"a": {}}, "a", "any") == {}
    assert value({}, "a") is ...
    assert mapped({}, Row("field", "a")) == Mapped({}, [], {})


def test_a_constant_is_the_value_whatever_came():
    found = mapped({"a": "b"}, Row("field", constant="website"))
    assert (found.values, found.paths) == ({"field": "website"}, {})
    assert mapped({}, Row("field", constant=False)).values == {"field": False}


def test_a_fallback_stands_in_for_what_is_missing_or_empty():
    assert value({}, "a", fallback="unknown") == "unknown"
    assert value({"a": " "}, "a", fallback="unknown") == "unknown"
    assert value({"a": []}, "a", "several", fallback=["x"]) == ["x"]
    assert value({"a": "b"}, "a", fallback="unknown") == "b"
    assert value({"a": 0}, "a", "integer", fallback=5) == 0


def test_paths_name_where_values_came_from():
    rows = [Row("a", "x/y"), Row("b", constant=1), Row("c", "nowhere")]
    assert translate({"x": {"y": 1}}, rows, {}, phone).paths == {"a": "x/y"}


# --- numbers and texts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "kind", "fit"),
    [
        (15555555555, "text", "15555555555"),
        (1.0, "text", "1"),
        (1.5, "text", "1.5"),
        (1e22, "text", "10000000000000000000000"),
        (True, "text", True),
        ("12", "integer", 12),
        (" 12 ", "integer", 12),
        ("-3", "number", -3),
        ("1.50", "number", 1.5),
        ("1,5", "number", "1,5"),
        ("1e400", "number", "1e400"),
        ("9" * 30, "number", "9" * 30),
        ("٣", "number", "٣"),
        ("NaN", "number", "NaN"),
        ("Infinity", "integer", "Infinity"),
        (12, "integer", 12),
        ("yes", "boolean", "yes"),
        (1733148338, "datetime", "1733148338"),
    ],
)
def test_numbers_become_texts_and_texts_numbers_where_such_are_wanted(given_, kind, fit):
    """What does not fit stays what it is, and is the field's own rules' to refuse."""
    found = value({"a": given_}, "a", kind)
    assert (found, type(found)) == (fit, type(fit))


@pytest.mark.parametrize("kind", ["text", "email", "number", "integer", "boolean", "datetime", "date"])
def test_an_object_is_no_single_value(kind):
    assert rule({"a": {"b": 1}}, "a", kind) == "scalar"
    assert rule({"a": {}}, "a", kind) == "scalar"


# --- transforms ------------------------------------------------------------------------------------------------------


def test_trim_and_lower():
    assert value({"a": "  Jo@Example.com\n"}, "a", "email", Step("trim"), Step("lower")) == "jo@example.com"
    assert value({"a": [" A ", 5]}, "a", "several", Step("trim"), Step("lower")) == ["a", "5"]


def test_split_and_join():
    assert value({"a": "x, y,,z"}, "a", "several", Step("split")) == ["x", "y", "z"]
    assert value({"a": "x;y"}, "a", "several", Step("split", ";")) == ["x", "y"]
    assert value({"a": "Jo Smith"}, "a", "text", Step("split", " ")) == "Jo"
    assert value({"a": ["Jo", "Smith", 5, True]}, "a", "text", Step("join", " ")) == "Jo Smith 5 True"
    assert value({"a": ["x", "y"]}, "a", "text", Step("join")) == "x, y"
    assert value([{"a": "Jo"}, {"a": None}], "a", "text", Step("join")) == "Jo"
    assert value({"a": []}, "a", "text", Step("join")) is None
    assert rule({"a": [{"b": 1}]}, "a", "text", Step("join")) == "join"
    assert len(value({"a": "x," * 5000}, "a", "several", Step("split"))) == MOST_VALUES


@pytest.mark.parametrize(
    ("given_", "by", "moment"),
    [
        ("2024-10-02T15:28:20Z", "", "2024-10-02T15:28:20Z"),
        ("2024-10-02T15:28:20.999+02:00", "", "2024-10-02T13:28:20Z"),
        ("2024-10-02", "", "2024-10-02T00:00:00Z"),
        ("2026-11-21 09:14:05", "", "2026-11-21T09:14:05Z"),
        ("2026-11-21T09:14:05+0000", "", "2026-11-21T09:14:05Z"),
        (1733148338, "", "2024-12-02T14:05:38Z"),
        (1733148338000, "", "2024-12-02T14:05:38Z"),
        ("1733148338", "", "2024-12-02T14:05:38Z"),
        ("1733148338000", "", "2024-12-02T14:05:38Z"),
        (1733148338.75, "", "2024-12-02T14:05:38Z"),
        ("02/10/2024", "%d/%m/%Y", "2024-10-02T00:00:00Z"),
        (" 02.10.2024 15:28 ", "%d.%m.%Y %H:%M", "2024-10-02T15:28:00Z"),
        ("02/10/2024 +0200", "%d/%m/%Y %z", "2024-10-01T22:00:00Z"),
    ],
)
def test_dates(given_, by, moment):
    assert value({"a": given_}, "a", "datetime", Step("date", by)) == moment
    assert value({"a": given_}, "a", "date", Step("date", by)) == moment[:10]


@pytest.mark.parametrize(
    ("given_", "by"),
    [
        ("yesterday", ""),
        ("0000-00-00", ""),
        ("2024-02-30", ""),
        ("2024-10-02T15:28:20+99:00", ""),
        ("0001-01-01T00:00:00+01:00", ""),
        ("9999-12-31T23:59:59-01:00", ""),
        (True, ""),
        (1e300, ""),
        (float("inf"), ""),
        (float("nan"), ""),
        (10**400, ""),
        (-(10**18), ""),
        ({"a": 1}, ""),
        ("02/10/2024", "%d.%m.%Y"),
        ("02/10/2024", "%Q"),
        ("x" * 100_000, "%d"),
    ],
)
def test_what_is_no_date(given_, by):
    assert rule({"a": [given_]}, "a", "datetime", Step("date", by)) == "date"


def test_phones():
    assert value({"a": "07123456789"}, "a", "text", Step("phone")) == "+447123456789"
    for wrong in ("call me", True, [["0"]], {"a": "0"}):
        assert rule({"a": [wrong]}, "a", "text", Step("phone")) == "phone"


@pytest.mark.parametrize(
    ("given_", "read_"),
    [
        ("Yes", True),
        (" TRUE ", True),
        ("on", True),
        ("y", True),
        (1, True),
        ("1", True),
        (True, True),
        ("No", False),
        ("false", False),
        ("off", False),
        ("n", False),
        (0, False),
        (False, False),
    ],
)
def test_yes_or_no(given_, read_):
    assert value({"a": given_}, "a", "boolean", Step("yes_no")) is read_


@pytest.mark.parametrize("wrong", ["maybe", 2, 1.5, {"a": 1}])
def test_neither_yes_nor_no(wrong):
    assert rule({"a": [wrong]}, "a", "boolean", Step("yes_no")) == "yes_no"


def test_steps_do_one_after_the_other():
    steps = Step("split", ","), Step("lower"), Step("join", "+")
    assert value({"a": "A, ,B"}, "a", "text", *steps) == "a+b"


def test_a_fault_of_one_row_leaves_the_others():
    rows = [Row("a", "x", steps=(Step("date"),)), Row("b", "y")]
    found = translate({"x": "no date", "y": "fine"}, rows, {"a": "datetime", "b": "text"}, phone)
    assert found.values == {"b": "fine"}
    assert [fault.field for fault in found.faults] == ["a"]


# --- whatever comes --------------------------------------------------------------------------------------------------

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["a", "b", "key", "0"]) | st.text(), inner)
    ),
    max_leaves=20,
)
PATHS = st.lists(st.sampled_from(["a", "b", "0", "1", "key=a", "a.b=1", "~1", "key"]), min_size=1, max_size=4)
STEPS = st.lists(
    st.builds(Step, st.sampled_from([do for do, _ in TRANSFORMS]), st.sampled_from(["", ",", "%d/%m/%Y", "%", "\0"])),
    max_size=3,
)
KINDS = st.sampled_from(["text", "email", "number", "integer", "boolean", "datetime", "date", "several", "any"])


@given(DOCUMENTS, PATHS, STEPS, KINDS, st.none() | st.text(max_size=3))
def test_nothing_that_comes_breaks_it(document, path, steps, kind, fallback):
    found = mapped(document, Row("field", "/".join(path), fallback=fallback, steps=tuple(steps)), kind)
    assert len(found.values) + len(found.faults) <= 1
    if found.values and kind == "several" and found.values["field"] not in (None, fallback):
        assert isinstance(found.values["field"], list)


def test_what_is_deep_or_huge_is_read_all_the_same():
    deep: Any = "end"
    for _ in range(50_000):
        deep = {"a": [deep]}
    assert value(deep, "/".join(["a/0"] * 16), "several") is not None
    assert rule(deep, "a", "text") == "scalar"
    many = {f"key {number}": "x" * 10 for number in range(20_000)}
    assert value(many, "key 19999") == "x" * 10
    assert value({"a": 10**5000}, "a", "integer") == 10**5000
    for steps in ((), (Step("join"),), (Step("yes_no"),), (Step("phone"),)):
        assert rule({"a": [10**5000]}, "a", "text", *steps) == "number"
    assert look_up([{"key": 10**5000}], "key=1") == []


# --- what is stored --------------------------------------------------------------------------------------------------

ROWS = (
    Row("business_email", "contact/work/email"),
    Row("source", constant="website"),
    Row("tags", "tags", fallback=["new"], steps=(Step("split", ";"), Step("lower"))),
    Row("gdpr_checkbox", constant=False),
    Row("custom_fields.budget", "a~1b/key=x/0", fallback=0),
)


def test_rows_are_read_as_they_were_written():
    stored = json.loads(json.dumps(write(ROWS)))
    assert read(stored) == ROWS
    assert write(read(stored)) == stored


@given(
    st.lists(
        st.builds(
            Row,
            st.text(min_size=1),
            st.just("a/b"),
            fallback=st.none() | st.text() | st.integers(),
            steps=st.lists(st.builds(Step, st.sampled_from([do for do, _ in TRANSFORMS]), st.text(max_size=50))).map(
                lambda steps: tuple(steps[:10])
            ),
        ),
        unique_by=lambda row: row.field,
        max_size=5,
    )
)
def test_any_rows_are_read_as_they_were_written(rows):
    assert read(json.loads(json.dumps(write(rows)))) == tuple(rows)


@pytest.mark.parametrize(
    ("stored", "fault"),
    [
        ({}, "must be an array"),
        ([{"field": f"f{number}", "path": "a"} for number in range(MOST_ROWS + 1)], "at most"),
        (["a"], "row 1: must be an object"),
        ([{"path": "a"}], "row 1: field must be chosen"),
        ([{"field": 5, "path": "a"}], "row 1: field must be chosen"),
        ([{"field": "a"}], "row 1: path must not be empty"),
        ([{"field": "a", "path": 5}], "row 1: path must be text"),
        ([{"field": "a", "path": "x//y"}], "row 1: path must not begin"),
        ([{"field": "a", "path": "x", "constant": 1}], "row 1: has a path and a constant"),
        ([{"field": "a", "path": "x"}, {"field": "a", "path": "y"}], "row 2: a is mapped twice"),
        ([{"field": "a", "path": "x", "more": 1}], "row 1: more is not"),
        ([{"field": "a", "path": "x", "steps": "trim"}], "row 1: steps must be"),
        ([{"field": "a", "path": "x", "steps": [{"do": "trim"}] * 11}], "row 1: steps must be"),
        ([{"field": "a", "path": "x", "steps": [{"do": "eval"}]}], "row 1: a step must be one of"),
        ([{"field": "a", "path": "x", "steps": [{"do": ["trim"]}]}], "row 1: a step must be one of"),
        ([{"field": "a", "path": "x", "steps": [{"do": "split", "by": 5}]}], "row 1: what a step goes by"),
        ([{"field": "a", "path": "x", "steps": [{"do": "split", "by": "x" * 51}]}], "row 1: what a step goes by"),
    ],
)
def test_what_cannot_be_rows(stored, fault):
    with pytest.raises(ValueError, match=fault):
        read(stored)


@given(DOCUMENTS)
def test_reading_what_was_never_rows_says_so(stored):
    try:
        read(stored)
    except ValueError as error:
        assert str(error)
