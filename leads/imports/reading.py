"""A file of somebody's as rows of text: CSV, or the first sheet of an Excel workbook. Nothing in it is executed.

Whatever a stranger has put into the file comes to rows or to `Unreadable`, within the limits below.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import BinaryIO, Final

MOST_BYTES: Final = 20 * 1024 * 1024
MOST_UNPACKED: Final = 200 * 1024 * 1024
# A workbook's texts are read at once.
MOST_TEXTS: Final = 50 * 1024 * 1024
MOST_ROWS: Final = 100_000
MOST_COLUMNS: Final = 200
# Excel's own limit.
LONGEST_CELL: Final = 32_767
LONGEST_NAME: Final = 200

SEPARATORS: Final = {",": "comma", ";": "semicolon", "\t": "tab"}


class Unreadable(ValueError):
    """Why the file cannot be read, and what to do, as whole sentences."""


@dataclass(frozen=True, slots=True)
class Row:
    """number is that of the row in the file, the header's being 1; cells may be fewer or more than its columns."""

    number: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """notes: what was taken for granted, for the person to see."""

    header: list[str]
    rows: Iterator[Row]
    notes: Sequence[str]


def read(file: BinaryIO) -> Table:
    """The table in a file that was opened for reading. Raises Unreadable, also while the rows are read."""
    beginning = file.read(8)
    file.seek(0, io.SEEK_END)
    size = file.tell()
    file.seek(0)
    if size > MOST_BYTES:
        raise Unreadable(f"The file is larger than {MOST_BYTES // 1024 // 1024} MB. Split it into several files.")
    if beginning.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable(
            "This is an old Excel file, or one with a password. Save it as .xlsx without a password, or as CSV."
        )
    lines, notes = _sheet(file) if beginning.startswith(b"PK") else _text(file)
    numbered = _full(enumerate(lines, start=1))
    header = _header(next(numbered, Row(0, [])).cells)
    return Table(header, _limited(numbered), notes)


def _header(cells: Sequence[str]) -> list[str]:
    if not cells:
        raise Unreadable("The file is empty.")
    names = [" ".join(cell.split()) for cell in _trimmed(cells)]
    if any(_DATA.fullmatch(name) for name in names):
        raise Unreadable("The first row must hold the names of the columns. It looks like a lead.")
    if any(len(name) > LONGEST_NAME for name in names):
        raise Unreadable(f"A name in the first row is longer than {LONGEST_NAME} characters.")
    if any(character < " " for name in names for character in name):
        raise Unreadable("The first row holds characters that no text has.")
    seen: set[str] = set()
    for name in filter(None, names):
        if name.casefold() in seen:
            raise Unreadable(f"Two columns have the name “{name}”. Give each one a name of its own.")
        seen.add(name.casefold())
    return [name or f"Column {number}" for number, name in enumerate(names, start=1)]


# An e-mail address or a number is no name of a column.
_DATA = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?[\d\s()./-]*\d{3}[\d\s()./-]*")


def _full(lines: Iterable[tuple[int, Sequence[str]]]) -> Iterator[Row]:
    """Without empty lines."""
    for number, cells in lines:
        filled = _trimmed(cells)
        if len(filled) > MOST_COLUMNS:
            raise Unreadable(f"Row {number:,} has more than {MOST_COLUMNS} columns.")
        if any(len(cell) > LONGEST_CELL for cell in filled):
            raise Unreadable(f"Row {number:,} has a cell of more than {LONGEST_CELL:,} characters.")
        if filled:
            yield Row(number, filled)


def _limited(rows: Iterator[Row]) -> Iterator[Row]:
    count = 0
    for count, row in enumerate(rows, start=1):
        if count > MOST_ROWS:
            raise Unreadable(f"The file has more than {MOST_ROWS:,} rows. Split it into several files.")
        yield row
    if not count:
        raise Unreadable("There are no rows below the names of the columns.")


def _trimmed(cells: Sequence[str]) -> list[str]:
    last = next((place for place in range(len(cells), 0, -1) if cells[place - 1].strip()), 0)
    return list(cells[:last])


# --- CSV -------------------------------------------------------------------------------------------------------------


def _text(file: BinaryIO) -> tuple[Iterator[list[str]], list[str]]:
    text, notes = _decoded(file.read())
    if "\0" in text:
        raise Unreadable("This is no text file. Save the table as CSV or as an Excel workbook (.xlsx).")
    separator = _separator(text)
    if separator != ",":
        notes.append(f"The columns are separated by {SEPARATORS[separator]}s.")
    return _records(text, separator), notes


def _decoded(content: bytes) -> tuple[str, list[str]]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16"), ["Read as UTF-16."]
        except UnicodeDecodeError:
            raise Unreadable("The file begins as UTF-16 and is none. Save it as UTF-8.") from None
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    # Five of its bytes stand for nothing.
    text = content.decode("cp1252", errors="replace")
    return text, ["The file is not in UTF-8: it was read as Windows-1252. Look whether accents and signs are right."]


def _separator(text: str) -> str:
    """The one that parts the header into the most columns."""
    head = text.lstrip()[: csv.field_size_limit() // 2]

    def columns(separator: str) -> int:
        return len(next(csv.reader(io.StringIO(head, newline=""), delimiter=separator), []))

    return max(SEPARATORS, key=columns)


def _records(text: str, separator: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise Unreadable(
                f"Line {reader.line_num:,} cannot be read: it has a quotation mark too few or too many, or is too long."
            ) from None


# --- Excel -----------------------------------------------------------------------------------------------------------


def _sheet(file: BinaryIO) -> tuple[Iterator[list[str]], list[str]]:
    # Each process would else load it at its start, and few of them ever read a workbook.
    from openpyxl import load_workbook

    unreadable = Unreadable("This Excel file cannot be read. Save it anew as .xlsx, or as CSV.")
    try:
        _check_size(file)
        # Values only: neither formulas nor macros are looked at.
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheet = next(iter(book.worksheets))
        sheet.reset_dimensions()  # what the file says of them may be anything
    except Unreadable:
        raise
    except Exception:  # the library raises whatever it stumbles over
        raise unreadable from None
    more = len(book.worksheets) > 1
    notes = [f"Only the first of {len(book.worksheets)} sheets is read: “{sheet.title}”."] if more else []

    def lines() -> Iterator[list[str]]:
        rows = sheet.iter_rows(values_only=True)
        while True:
            try:
                cells = next(rows, None)
            except Exception:
                raise unreadable from None
            if cells is None:
                return
            yield [_shown(cell) for cell in cells]

    return lines(), notes


def _check_size(file: BinaryIO) -> None:
    """What it says it unpacks to; zipfile reads no more than that."""
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
    texts = sum(part.file_size for part in parts if "sharedstrings" in part.filename.lower())
    if len(parts) > 10_000 or texts > MOST_TEXTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
        raise Unreadable("This Excel file unpacks to too much. Save it as CSV, or split it into several files.")


def _shown(cell: object) -> str:
    match cell:
        case None:
            return ""
        case str():
            return cell
        case bool():
            return "yes" if cell else "no"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case datetime() if cell.time() == time.min:
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(timespec="seconds")
        case date() | time():
            return cell.isoformat()
    return str(cell)
