"""A document as rows of a tree: what stands where, and by which paths (webhooks/wire/mapping.py) it is reached."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from webhooks.wire.mapping import escaped, look_up, path_fault

MOST_NODES: Final = 500
LONGEST_VALUE: Final = 200
# An element such as {"name": "email", "value": "jo@example.com"} is an answer with the name of its question.
_NAMES: Final = ("name", "key", "field", "label")
_ANSWERS: Final = ("value", "values", "answer")

Kind = Literal["object", "array", "texts", "text", "number", "yes_no", "empty"]
"""texts is an array of single values, which several lists of a lead take as it is."""


@dataclass(frozen=True, slots=True)
class Node:
    """One name of the document.

    depth   0 at the top
    name    as the document has it; of an element its place, from 0, and what it is the answer to
    path    where a click leads to: by the name of an answer where it has one, else exactly here
    ways    the other paths that lead here, in words: (words, path)
    value   of a single value its text, cut to LONGEST_VALUE; of what holds others how many
    raw     the value itself, of a single value or an array of them
    names   what it is called, from the top: without places, and without the "value" of an answer
    asks    it is the name of an answer, and no answer itself
    exact   the path by places
    """

    depth: int
    name: str
    path: str
    kind: Kind
    value: str
    raw: Any
    names: tuple[str, ...]
    ways: tuple[tuple[str, str], ...] = ()
    asks: bool = False
    exact: str = ""

    @property
    def is_leaf(self) -> bool:
        return self.kind not in ("object", "array")

    def is_read(self, places: Collection[str]) -> bool:
        """By what reads these places: all of it, or a part of an array of texts."""
        if self.kind == "texts":
            return any(f"{self.exact}/{number}" in places for number in range(len(self.raw)))
        return self.exact in places


@dataclass(frozen=True, slots=True)
class Tree:
    nodes: tuple[Node, ...]
    left_out: int
    """How many more there are."""


def tree_of(document: Any, named: bool = True) -> Tree:
    """Of an object or array, in its own order; MOST_NODES at most.

    named   answers are reached by the names of their questions, which are values of the document
    """
    nodes: list[Node] = []
    left_out = 0
    for node in _walk(document, (), _Place(by_name=named)):
        if len(nodes) < MOST_NODES:
            nodes.append(node)
        else:
            left_out += 1
    return Tree(tuple(nodes), left_out)


def places(document: Any, path: str) -> frozenset[str]:
    """Where the single values stand that a path reads, be it as parts of something larger: their exact paths."""
    return reader(document)(path)


def reader(document: Any) -> Callable[[str], frozenset[str]]:
    """`places` of one document, for many paths."""
    placed = _placed(document, "")
    return lambda path: frozenset(_leaves(look_up(placed, path)))


def unmapped(tree: Tree, read: Collection[str]) -> list[Node]:
    """The values that stand at none of these places; of an array of texts the array."""
    found: list[Node] = []
    for node in tree.nodes:
        if not node.is_leaf or node.kind == "empty" or node.asks or node.is_read(read):
            continue
        if not (found and found[-1].kind == "texts" and node.exact.startswith(f"{found[-1].exact}/")):
            found.append(node)
    return found


class _Text(str):
    """A single value, which knows its place."""

    place: str


def _placed(value: Any, place: str) -> Any:
    """The same document, of values that know their places: so that whoever reads a path reads the places too."""
    if isinstance(value, dict):
        return {key: _placed(part, _joined(place, escaped(key))) for key, part in value.items()}
    if isinstance(value, list):
        return [_placed(part, _joined(place, str(number))) for number, part in enumerate(value)]
    text = _Text("" if isinstance(value, bool) or value is None else value)
    text.place = place
    return text


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, _Text):
        yield value.place
    else:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part)


@dataclass(frozen=True, slots=True)
class _Place:
    """exact: by places; every: all elements of the arrays above; named: by the names of answers."""

    exact: str = ""
    every: str = ""
    named: str = ""
    by_name: bool = True

    def of(self, name: str) -> _Place:
        segment = escaped(name)
        return _Place(
            _joined(self.exact, segment), _joined(self.every, segment), _joined(self.named, segment), self.by_name
        )

    def element(self, number: int, chosen: str) -> _Place:
        segment = str(number)
        return _Place(_joined(self.exact, segment), self.every, _joined(self.named, chosen or segment), self.by_name)


def _joined(path: str, segment: str) -> str:
    return f"{path}/{segment}" if path else segment


def _walk(value: Any, names: tuple[str, ...], place: _Place, depth: int = 0) -> Iterator[Node]:
    if isinstance(value, dict):
        is_answer = bool(names) and _is_answer(value)
        answers = (*_ANSWERS, value.get("type")) if _reference(value) else _ANSWERS
        for key, part in value.items():
            called = names if is_answer and key.lower() in answers else (*names, key)
            asks = is_answer and key.lower() in _NAMES and isinstance(part, str)
            yield from _node(part, key, called, place.of(key), depth, asks)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            name = _name_of(part) if place.by_name else None
            chosen = f"{name[0]}={escaped(name[1])}" if name else ""
            called = (*names, name[1]) if name else names
            shown = f"{number}: {name[1]}" if name else str(number)
            yield from _node(part, shown, called, place.element(number, chosen), depth)


def _node(
    value: Any, name: str, names: tuple[str, ...], place: _Place, depth: int, asks: bool = False
) -> Iterator[Node]:
    kind = _kind(value)
    named = place.named != place.exact
    ways = [("by name", place.named), ("exactly this one", place.exact)] if named else [("", place.exact)]
    if place.every and place.every != place.exact:
        ways.append(("of every element", place.every))
    usable = [(words, path) for words, path in ways if path_fault(path) is None]
    path = usable[0][1] if usable else ""
    raw = None if kind in ("object", "array") else value
    yield Node(depth, name, path, kind, _shown(value, kind), raw, names, tuple(usable[1:]), asks, place.exact)
    yield from _walk(value, names, place, depth + 1)


def _name_of(element: Any) -> tuple[str, str] | None:
    """The key and the name of an answer; None for what is none."""
    if not isinstance(element, dict) or not _is_answer(element):
        return None
    if name := _reference(element):
        return "field.ref", name
    for key, name in element.items():
        if key.lower() in _NAMES and isinstance(name, str) and name.strip() and len(name) <= 100:
            return escaped(key), name
    return None


def _reference(element: dict[str, Any]) -> str:
    """Typeform's name of a question: {"type": "email", "email": "jo@example.com", "field": {"ref": "work_email"}}."""
    question = element.get("field")
    name = question.get("ref") if isinstance(question, dict) else None
    return name if isinstance(name, str) and len(name) <= 100 else ""


def _is_answer(element: dict[str, Any]) -> bool:
    if _reference(element):
        return True
    keys = {key.lower() for key in element}
    return not keys.isdisjoint(_NAMES) and not keys.isdisjoint(_ANSWERS)


def _kind(value: Any) -> Kind:
    if value is None or value == "" or value == [] or value == {}:
        return "empty"
    if isinstance(value, bool):
        return "yes_no"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array" if any(isinstance(part, dict | list) for part in value) else "texts"
    return "text"


def _shown(value: Any, kind: Kind) -> str:
    match kind:
        case "empty":
            return "empty"
        case "yes_no":
            return "true" if value else "false"
        case "object" | "array" | "texts":
            words = ("name", "names") if kind == "object" else ("element", "elements")
            return f"{len(value)} {words[len(value) != 1]}"
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
