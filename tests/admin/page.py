"""What a browser without scripts makes of a page: its forms with their values, its text and its links."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

_BLOCKS = frozenset({"dd", "dt", "h1", "h2", "h3", "li", "option", "p", "td", "th"})


class Page(HTMLParser):
    """forms: one {name: [values]} for each form, as it would be sent; by_id: the same by the form's id."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.forms: list[dict[str, list[str]]] = []
        self.by_id: dict[str, dict[str, list[str]]] = {}
        self.links: list[str] = []
        self.names: set[str] = set()
        self._form: dict[str, list[str]] | None = None
        self._select: tuple[str, bool] | None = None
        self._options: list[tuple[str, bool]] = []
        self._area: str | None = None
        self._template = 0
        self._text: list[str] = []
        self.feed(response.content.decode())

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    def form(self, id_: str) -> dict[str, list[str]]:
        return self.by_id[id_]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "template":
            self._template += 1
        if self._template:
            return
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "form":
            self._form = {}
            self.forms.append(self._form)
            if "id" in given:
                self.by_id[given["id"]] = self._form
        name = given.get("name", "")
        if self._form is None or not name:
            if tag == "option" and self._select:
                self._options.append((given.get("value", ""), "selected" in given))
            return
        self.names.add(name)
        if "disabled" in given:
            return
        if tag == "input":
            kind = given.get("type", "text")
            if kind in ("submit", "button") or (kind in ("checkbox", "radio") and "checked" not in given):
                return
            self._form.setdefault(name, []).append(given.get("value", "on" if kind == "checkbox" else ""))
        elif tag == "select":
            self._select, self._options = (name, "multiple" in given), []
        elif tag == "textarea":
            self._area = name
            self._form.setdefault(name, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._text.append(" " if tag in _BLOCKS else "")
        if tag == "template":
            self._template -= 1
        elif tag == "form":
            self._form = None
        elif tag == "textarea":
            self._area = None
        elif tag == "select" and self._select and self._form is not None:
            name, multiple = self._select
            chosen = [value for value, selected in self._options if selected]
            if not chosen and not multiple and self._options:
                chosen = [self._options[0][0]]
            if chosen:
                self._form.setdefault(name, []).extend(chosen if multiple else chosen[-1:])
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._template:
            return
        if self._area is not None and self._form is not None:
            # A browser sends line breaks as CR LF.
            self._form[self._area][-1] += data.replace("\r\n", "\n").replace("\n", "\r\n")
        self._text.append(data)
