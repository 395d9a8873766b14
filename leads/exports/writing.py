"""Rows as CSV or as an Excel workbook, a piece at a time: however many there are, few are in memory.

What a text begins with must not become a formula in whatever opens the file: in CSV an apostrophe stands before it, in
a workbook it is marked as text. Numbers are numbers in both. An import takes the apostrophe away again.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from leads.imports.columns import GUARDED

PIECE: Final = 64 * 1024

Written = Iterator[bytes]


def csv_file(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Written:
    """UTF-8 with a mark that tells Excel so."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    text.write("\ufeff")
    writer.writerow([guarded(name) for name in header])
    for row in rows:
        writer.writerow([guarded(plain(value)) for value in row])
        if text.tell() > PIECE:
            yield text.getvalue().encode(errors="replace")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode(errors="replace")


def guarded(value: Any) -> Any:
    """Texts that a spreadsheet would take for a formula, as text; numbers as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(GUARDED) else value


def plain(value: Any) -> str | int | float:
    """A value of a snapshot as one cell: what is in a list with semicolons between, what has parts as JSON."""
    if value is None or value == [] or value == {}:
        return ""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() | str():
            return value
        case list() if all(isinstance(one, str) for one in value):
            return "; ".join(value)
        case list() if all(isinstance(one, dict) and one.keys() == {"id", "name"} for one in value):
            return "; ".join(one["name"] for one in value)
        case list() | dict():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def workbook(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Written:
    """One sheet. Its texts stand in its cells, so that nothing has to be collected for the end."""
    file = _Pieces()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in _PARTS.items():
            archive.writestr(name, _XML + content)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>{_line(header)}'.encode())
            for row in rows:
                sheet.write(_line([plain(value) for value in row]).encode(errors="replace"))
                if file.size > PIECE:
                    yield file.taken()
            sheet.write(b"</sheetData></worksheet>")
    yield file.taken()


FORMATS: Final[Mapping[str, tuple[str, str, Callable[[Sequence[str], Iterable[Sequence[Any]]], Written]]]] = {
    "csv": ("CSV", "text/csv; charset=utf-8", csv_file),
    "xlsx": (
        "Excel (.xlsx)",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        workbook,
    ),
}
"""Ending -> its name, its content type, and what writes it."""


class _Pieces(io.RawIOBase):
    """What was written and not taken yet; a ZIP can be written where nobody can go back."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        piece = bytes(content)
        self._written.append(piece)
        self.size += len(piece)
        return len(piece)

    def taken(self) -> bytes:
        whole = b"".join(self._written)
        self._written, self.size = [], 0
        return whole


def _line(values: Sequence[Any]) -> str:
    return f"<row>{''.join(map(_cell, values))}</row>"


def _cell(value: Any) -> str:
    if value == "":
        return "<c/>"
    if isinstance(value, int | float):
        return f"<c><v>{value!r}</v></c>"
    # Excel takes no more, and XML no control characters.
    text = escape(_CONTROL.sub("\ufffd", value[:32_767]))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_FORMATS: Final = "http://schemas.openxmlformats.org"
_MAIN: Final = f"{_FORMATS}/spreadsheetml/2006/main"
_RELATIONS: Final = f"{_FORMATS}/officeDocument/2006/relationships"
_OF_PACKAGE: Final = f"{_FORMATS}/package/2006/relationships"
_KIND: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS: Final[Mapping[str, str]] = {
    "[Content_Types].xml": f'<Types xmlns="{_FORMATS}/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_KIND}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_OF_PACKAGE}">'
    f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">'
    '<sheets><sheet name="Export" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_OF_PACKAGE}">'
    f'<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
