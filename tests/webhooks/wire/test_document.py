import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from webhooks.wire.document import plain, read, write

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
)


@given(JSON)
def test_what_is_written_says_what_was_given(value: object) -> None:
    try:
        written = write(plain(value))
    except UnicodeEncodeError:
        return
    assert json.loads(written) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}, "\ud800"])
def test_what_json_cannot_say_is_an_error(value: object) -> None:
    with pytest.raises(ValueError):
        write(value)


def test_text_stays_readable_and_nothing_is_padded() -> None:
    assert write({"a": ["Zoë 😀", None, True]}) == '{"a":["Zoë 😀",null,true]}'.encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10000.0, b"10000"),
        (-0.0, b"0"),
        (99.5, b"99.5"),
        (2.0**53, b"9007199254740992"),
        (2.0**53 + 2, b"9007199254740994.0"),
        ({"a": [1.0, {"b": (2.0, "3.0")}]}, b'{"a":[1,{"b":[2,"3.0"]}]}'),
    ],
)
def test_a_whole_number_has_no_fraction_at_any_depth(value: object, text: bytes) -> None:
    assert write(plain(value)) == text


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", b"7", b"[" * 100_000, b'{"a":1'])
def test_what_holds_no_object_is_empty(body: bytes) -> None:
    assert read(body) == {}


@given(some.binary())
def test_what_a_stranger_sent_never_raises(body: bytes) -> None:
    assert isinstance(read(body), dict)


def test_an_object_is_read_in_any_encoding_of_json() -> None:
    assert read('{"a":"é"}'.encode("utf-16")) == {"a": "é"}
