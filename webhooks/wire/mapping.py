"""The inbound field map: which part of a received document becomes which field of a lead, and how it is made fit.

Paths are LeadEngine's ("Webhooks" article, read 2026-11-21), its examples being `email` and `contact/work/email`; the
reading of what it leaves open is ours (LE-A15): '/' separates segments, ~1 stands for '/' and ~0 for '~' in a segment,
a number is an index into an array, and any other segment on an array is looked up in each of its elements. One step
more, for systems that send lists of names and values: on an array, `key=email` chooses the elements whose `key` is
email, and `field.ref=email` those whose `field` has such a `ref` (~2 stands for '=' in a segment that is no such
choice).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

LONGEST_PATH: Final = 500
MOST_SEGMENTS: Final = 32
MOST_ROWS: Final = 200
MOST_VALUES: Final = 1000
# Beyond it, Python may refuse to write a number out.
_LARGEST_KEY: Final = 10**100

Kind = Literal["text", "email", "number", "integer", "boolean", "datetime", "date", "several", "any"]
"""What a field takes: several is an array of texts, any a JSON value as it came."""

TRANSFORMS: Final = (
    ("trim", "Trim"),
    ("lower", "Lower case"),
    ("split", "Split at"),
    ("join", "Join with"),
    ("date", "Read as a date"),
    ("phone", "Phone to E.164"),
    ("yes_no", "Read as yes or no"),
)
_YES: Final = frozenset({"yes", "y", "true", "on", "1"})
_NO: Final = frozenset({"no", "n", "false", "off", "0"})


@dataclass(frozen=True, slots=True)
class Step:
    """One transform; `by` is the separator of split and join, and the strptime format of date ("" reads ISO 8601 and
    seconds or milliseconds since 1970)."""

    do: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One field of the lead, and where its value comes from.

    field      a key of the catalogue, custom_fields.<key>, or a name such as owner
    path       in the document; "" where constant says it
    constant   the value, whatever came
    fallback   the value where nothing, or something empty, came
    """

    field: str
    path: str = ""
    constant: Any = None
    fallback: Any = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a value could not be made fit. message is a clause that follows the field's name."""

    field: str
    path: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Mapped:
    values: Mapping[str, Any] = field(default_factory=dict)
    """By field. None where what came was empty; a field whose path leads nowhere is not there."""
    faults: Sequence[Fault] = ()
    paths: Mapping[str, str] = field(default_factory=dict)
    """By field where its value came from; not there for a constant or fallback."""


Phone = Callable[[str], str | None]
"""A phone as entered to E.164; None where it is none."""


def read(stored: object) -> tuple[Row, ...]:
    """Rows as they are stored: [{"field", "path", "constant", "fallback", "steps": [{"do", "by"}]}, ...].

    ValueError names what is wrong, and in which row.
    """
    if not isinstance(stored, list) or len(stored) > MOST_ROWS:
        raise ValueError(f"must be an array of at most {MOST_ROWS} rows")
    rows = tuple(_row(number, one) for number, one in enumerate(stored, start=1))
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if row.field in seen:
            raise ValueError(f"row {number}: {row.field} is mapped twice")
        seen.add(row.field)
    return rows


def write(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What `read` reads."""
    return [
        {"field": row.field, "path": row.path}
        | ({} if row.constant is None else {"constant": row.constant})
        | ({} if row.fallback is None else {"fallback": row.fallback})
        | ({"steps": [{"do": step.do, "by": step.by} for step in row.steps]} if row.steps else {})
        for row in rows
    ]


def translate(document: object, rows: Iterable[Row], kinds: Mapping[str, Kind], phone: Phone) -> Mapped:
    """What the rows make of a document; kinds says what each field takes. Never raises on what a stranger sent."""
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    paths: dict[str, str] = {}
    for row in rows:
        try:
            value = _value(document, row, kinds.get(row.field, "any"), phone)
        except _Unfit as unfit:
            faults.append(Fault(row.field, row.path, unfit.rule, str(unfit)))
            continue
        except _Nothing:
            continue
        values[row.field] = value
        if row.constant is None:
            paths[row.field] = row.path
    return Mapped(values, faults, paths)


def look_up(document: object, path: str) -> list[Any]:
    """Every value at a path, in the order of the document; MOST_VALUES at most. The path may lead nowhere: []."""
    found: list[Any] = [document]
    for segment in path.split("/"):
        found = [value for each in found for value in _step(each, segment)][:MOST_VALUES]
    return found


def path_fault(path: str) -> str | None:
    """What is wrong with a path, as a clause; None when it is fine."""
    if not path:
        return "must not be empty"
    if len(path) > LONGEST_PATH:
        return f"must be at most {LONGEST_PATH} characters"
    segments = path.split("/")
    if len(segments) > MOST_SEGMENTS:
        return f"must have at most {MOST_SEGMENTS} segments"
    if "" in segments:
        return "must not begin or end with /, nor have two of them in a row"
    if re.search("~(?![012])", path):
        return "must write ~ as ~0, and / within a name as ~1"
    return None


def escaped(name: str) -> str:
    """The segment that stands for this name of an object."""
    return name.replace("~", "~0").replace("/", "~1").replace("=", "~2")


class _Nothing(Exception):
    """The path leads nowhere."""


class _Unfit(Exception):
    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        super().__init__(message)


def _step(value: object, segment: str) -> Iterator[Any]:
    name = _plain(segment)
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        return
    if not isinstance(value, list):
        return
    if segment.isascii() and segment.isdigit():
        if len(segment) < 10 and int(segment) < len(value):
            yield value[int(segment)]
        return
    elements = (each for each in value if isinstance(each, dict))
    if "=" in segment:
        key, _, wanted = (_plain(part) for part in segment.partition("="))
        yield from (each for each in elements if _is(_within(each, key), wanted))
    else:
        yield from (each[name] for each in elements if name in each)


def _is(given: object, wanted: str) -> bool:
    if isinstance(given, int) and not isinstance(given, bool):
        return abs(given) < _LARGEST_KEY and str(given) == wanted
    return given == wanted


def _within(element: dict[str, Any], name: str) -> Any:
    """What a choice looks at: the element's own `name`, else what the parts between its dots lead to."""
    if name in element:
        return element[name]
    found: Any = element
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _plain(segment: str) -> str:
    return segment.replace("~2", "=").replace("~1", "/").replace("~0", "~")


def _value(document: object, row: Row, kind: Kind, phone: Phone) -> Any:
    if row.constant is not None:
        return row.constant
    found = look_up(document, row.path)
    if not found and row.fallback is None:
        raise _Nothing
    if kind == "any" and len(found) == 1 and not row.steps:
        value = found[0]
    else:
        parts = [part for each in found for part in (each if isinstance(each, list) else [each])]
        full = [part for part in parts if not _is_empty(part)]
        for step in row.steps:
            full = [part for part in _STEPS[step.do](full, step, kind, phone) if not _is_empty(part)]
        value = full if kind == "several" else (full[0] if full else None)
    if _is_empty(value):
        return row.fallback
    return _fit(value, kind)


def _fit(value: Any, kind: Kind) -> Any:
    """Numbers as text where text is wanted, and the other way round; what does not fit is left to the field's rules."""
    match kind:
        case "text" | "email" | "datetime" | "date" if _is_number(value):
            return _number_text(value)
        case "text" | "email" | "number" | "integer" | "boolean" | "datetime" | "date" if isinstance(value, dict):
            raise _Unfit("scalar", "must be a single value, not an object: its path ends too soon")
        case "number" | "integer" if isinstance(value, str):
            return _read_number(value.strip())
        case "several":
            return [_number_text(part) if _is_number(part) else part for part in value]
    return value


def _is_empty(value: object) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number_text(value: Any) -> str:
    try:
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    except ValueError:
        raise _Unfit("number", "must be a number of fewer digits") from None


_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


def _read_number(text: str) -> Any:
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


# --- transforms: the values so far -> the values ---------------------------------------------------------------------


def _trim(values: list[Any], step: Step, kind: Kind, phone: Phone) -> list[Any]:
    return [value.strip() if isinstance(value, str) else value for value in values]


def _lower(values: list[Any], step: Step, kind: Kind, phone: Phone) -> list[Any]:
    return [value.lower() if isinstance(value, str) else value for value in values]


def _split(values: list[Any], step: Step, kind: Kind, phone: Phone) -> list[Any]:
    parts: list[Any] = []
    for value in values:
        if isinstance(value, str):
            parts += [part.strip() for part in value.split(step.by or ",")]
        else:
            parts.append(value)
    return parts[:MOST_VALUES]


def _join(values: list[Any], step: Step, kind: Kind, phone: Phone) -> list[Any]:
    if any(isinstance(value, dict | list) for value in values):
        raise _Unfit("join", "must be texts to be joined")
    texts = [_number_text(value) if _is_number(value) else str(value) for value in values]
    return [(step.by or ", ").join(texts)] if texts else []


def _date(values: list[Any], step: Step, kind: Kind, phone: Phone) -> list[Any]:
    return [_as_date(_moment(value, step.by), kind) for value in values]


def _moment(value: Any, pattern: str) -> datetime:
    words = f"must be a date written as {pattern}" if pattern else "must be a date: ISO 8601, or seconds since 1970"
    try:
        if pattern:
            found = datetime.strptime(str(value).strip(), pattern)  # noqa: DTZ007 - UTC where it says nothing
        elif _is_number(value) or (isinstance(value, str) and re.fullmatch(r"-?[0-9]{9,14}", value.strip())):
            seconds = float(value)
            # Milliseconds: seconds of that size lie beyond the year 5000.
            found = datetime.fromtimestamp(seconds / 1000 if abs(seconds) >= 1e11 else seconds, UTC)
        else:
            found = datetime.fromisoformat(str(value).strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise _Unfit("date", words) from None


def _as_date(moment: datetime, kind: Kind) -> str:
    if kind == "date":
        return date(moment.year, moment.month, moment.day).isoformat()
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _phone(values: list[Any], step: Step, kind: Kind, phone: Phone) -> list[Any]:
    read = []
    for value in values:
        text = _number_text(value) if _is_number(value) else value
        number = phone(text) if isinstance(text, str) else None
        if number is None:
            raise _Unfit("phone", "must be a phone number")
        read.append(number)
    return read


def _yes_no(values: list[Any], step: Step, kind: Kind, phone: Phone) -> list[Any]:
    read: list[Any] = []
    for value in values:
        word = (_number_text(value) if _is_number(value) else str(value)).strip().lower()
        if word not in _YES | _NO:
            raise _Unfit("yes_no", "must be yes or no")
        read.append(word in _YES)
    return read


_Transform = Callable[[list[Any], Step, Kind, Phone], list[Any]]
_STEPS: Final[Mapping[str, _Transform]] = {
    "trim": _trim,
    "lower": _lower,
    "split": _split,
    "join": _join,
    "date": _date,
    "phone": _phone,
    "yes_no": _yes_no,
}


# --- reading what is stored ------------------------------------------------------------------------------------------


def _row(number: int, stored: object) -> Row:
    if not isinstance(stored, dict):
        raise ValueError(f"row {number}: must be an object")
    unknown = sorted(stored.keys() - {"field", "path", "constant", "fallback", "steps"})
    if unknown:
        raise ValueError(f"row {number}: {unknown[0]} is not a part of a row")
    name, path = stored.get("field"), stored.get("path", "")
    if not isinstance(name, str) or not name:
        raise ValueError(f"row {number}: field must be chosen")
    if not isinstance(path, str):
        raise ValueError(f"row {number}: path must be text")
    if path and stored.get("constant") is not None:
        raise ValueError(f"row {number}: has a path and a constant: one of them")
    if stored.get("constant") is None and (fault := path_fault(path)) is not None:
        raise ValueError(f"row {number}: path {fault}")
    steps = stored.get("steps", [])
    if not isinstance(steps, list) or len(steps) > 10:
        raise ValueError(f"row {number}: steps must be an array of at most 10")
    return Row(
        name, path, stored.get("constant"), stored.get("fallback"), tuple(_step_of(number, one) for one in steps)
    )


def _step_of(number: int, stored: object) -> Step:
    do = stored.get("do") if isinstance(stored, dict) else None
    if not isinstance(stored, dict) or not isinstance(do, str) or do not in _STEPS:
        raise ValueError(f"row {number}: a step must be one of {', '.join(_STEPS)}")
    by = stored.get("by", "")
    if not isinstance(by, str) or len(by) > 50:
        raise ValueError(f"row {number}: what a step goes by must be text of at most 50 characters")
    return Step(do, by)
