"""Files as people have them, and files that somebody made to do harm: rows of text, or words about what to do."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime

import pytest
from openpyxl import Workbook

from leads.imports import reading
from leads.imports.reading import Unreadable


def read(content: bytes):
    table = reading.read(io.BytesIO(content))
    return table.header, [row.cells for row in table.rows], list(table.notes)


def workbook(*rows, name="Leads") -> bytes:
    book = Workbook()
    book.active.title = name
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def words(content: bytes) -> str:
    with pytest.raises(Unreadable) as refused:
        read(content)
    return str(refused.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_encodings(separator: str, encoding: str):
    text = f'Name{separator}E-mail\r\n"Zoë{separator} Müller"{separator}zoe@example.com\r\n\r\n'
    header, rows, _ = read(text.encode(encoding))
    assert header == ["Name", "E-mail"]
    assert rows == [[f"Zoë{separator} Müller", "zoe@example.com"]]


def test_what_is_not_utf_8_is_read_as_windows_1252_and_said_so():
    _, rows, notes = read("Name\nZoë Müller €".encode("cp1252"))
    assert rows == [["Zoë Müller €"]] and "Windows-1252" in notes[0]


def test_rows_keep_their_numbers_and_empty_ones_are_none():
    table = reading.read(io.BytesIO(b"Name,Phone\n\n,\nAnn,1\n\nBen,2\n"))
    assert [(row.number, row.cells) for row in table.rows] == [(4, ["Ann", "1"]), (6, ["Ben", "2"])]


def test_a_column_without_a_name_has_its_number():
    assert read(b"Name,,Phone,,\nAnn,x,1\n")[0] == ["Name", "Column 2", "Phone"]


MOMENT = datetime(2026, 3, 4, 5, 6)  # noqa: DTZ001 - Excel knows no time zones


def test_a_workbook_is_values_of_its_first_sheet():
    rows = [["Name", "Score", "Seen", "Day", "VIP"], ["Ann", 5.0, MOMENT, MOMENT.date(), True]]
    rows.append(["=1+1", None, "#N/A", "x", ""])
    header, found, notes = read(workbook(*rows))
    assert header == ["Name", "Score", "Seen", "Day", "VIP"]
    assert found[0] == ["Ann", "5", "2026-03-04T05:06:00", "2026-03-04", "yes"]
    assert found[1] == ["", "", "#N/A", "x"], "a formula that was never worked out has no value"
    assert notes == []


def test_only_the_first_of_several_sheets_is_read_and_said_so():
    book = Workbook()
    book.active.append(["Name"])
    book.active.append(["Ann"])
    book.create_sheet("Other").append(["No"])
    file = io.BytesIO()
    book.save(file)
    _, rows, notes = read(file.getvalue())
    assert rows == [["Ann"]] and "first of 2 sheets" in notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b" \r\n,,\n", "empty"),
        (b"Name,E-mail\n", "no rows"),
        (b"Ann,ann@example.com\nBen,ben@example.com\n", "names of the columns"),
        (b"Ann,07123 456789\n", "names of the columns"),
        (b"Name,name\nAnn,Ben\n", "“name”"),
        (b"Na\x07me\nAnn\n", "characters"),
        (b"Name\nAnn\0\n", "no text file"),
        (b"\x7fELF\x00\x01\x02", "no text file"),
        (b"\xff\xfeN\x00a", "UTF-16"),
        (b"\xff\xfe\x00\xd8", "UTF-16"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (b"PK\x03\x04 and nothing more", "cannot be read"),
        (b"Name\n" + b"x" * 40_000, "32,767"),
        (b"Name\n" + b"x" * 1_000_000, "too long"),
        (b"Name\n" + b"," * 300 + b"x", "200 columns"),
        (b"Name" * 100 + b"\nAnn", "longer than 200"),
        (b'Name\n"Ann\nBen\n', "quotation mark"),
        (b'Name\n"Ann" Lee\n', "quotation mark"),
        (b"\n" * (reading.MOST_BYTES + 1), "20 MB"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(content: bytes, said: str):
    assert said in words(content)


def test_more_rows_than_the_limit(monkeypatch):
    monkeypatch.setattr(reading, "MOST_ROWS", 3)
    assert "more than 3 rows" in words(b"Name\n" + b"Ann\n" * 4)


def archive(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return file.getvalue()


def replaced(name: str, content: bytes) -> bytes:
    """A workbook with another part of this name."""
    whole = zipfile.ZipFile(io.BytesIO(workbook(["Name"], ["Ann"])))
    return archive({each: whole.read(each) for each in whole.namelist()} | {name: content})


SHEET = "xl/worksheets/sheet1.xml"
_SHEET_HEAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (archive({"word/document.xml": b"<x/>"}), "cannot be read"),
        (archive({f"{number}": b"" for number in range(10_001)}), "unpacks to too much"),
        (replaced("xl/workbook.xml", b"<not xml"), "cannot be read"),
        (replaced(SHEET, _SHEET_HEAD + b"<sheetData><row><c><v>1</v>"), "cannot be read"),
        (
            replaced(
                SHEET,
                b'<!DOCTYPE x [<!ENTITY a "'
                + b"a" * 10_000
                + b'"><!ENTITY b "'
                + b"&a;" * 10_000
                + b'">]>'
                + _SHEET_HEAD
                + b'<sheetData><row r="1"><c r="A1" t="str"><v>'
                + b"&b;" * 100
                + b"</v></c></row></sheetData></worksheet>",
            ),
            "cannot be read",
        ),
        (
            replaced(
                SHEET,
                _SHEET_HEAD + b'<sheetData><row r="1"><c r="XFD1" t="str"><v>x</v></c></row></sheetData></worksheet>',
            ),
            "200 columns",
        ),
    ],
)
def test_a_broken_or_hostile_workbook_is_said_in_words(content: bytes, said: str):
    assert said in words(content)


def test_a_zip_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(reading, "MOST_UNPACKED", 1_000_000)
    assert "unpacks to too much" in words(replaced("xl/media/image1.png", b"\0" * 2_000_000))
    monkeypatch.setattr(reading, "MOST_TEXTS", 1000)
    assert "unpacks to too much" in words(replaced("xl/sharedStrings.xml", b" " * 2000))
