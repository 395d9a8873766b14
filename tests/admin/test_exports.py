"""Lists as files: what the filters show, within the scope, with no cell that does anything."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from openpyxl import load_workbook

from leads.admin import exporting
from leads.exports import rows, writing
from leads.models import Company, CustomField, Opportunity, OpportunityType, Product, Tag, Task
from tests import factories
from tests.admin.page import Page

pytestmark = pytest.mark.django_db

LEADS = "/admin/leads/lead/export/"
LISTS = ("lead", "company", "opportunity", "activity", "task", "product")


def exported(client: Any, path: str = LEADS, **choice: Any) -> list[list[str]]:
    response = client.post(path, {"format": "csv", "columns": "all"} | choice)
    assert response.status_code == 200 and response["Content-Type"].startswith("text/csv"), response.content
    return list(csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"), newline="")))


def chosen(client: Any, *keys: str, path: str = LEADS, **choice: Any) -> list[list[str]]:
    return exported(client, path, column=keys, columns="chosen", **choice)


def test_what_the_filters_and_the_search_show_in_the_order_of_the_list(crm, sign_in):
    for name, status in (("Ann", "UNREAD"), ("Ben", "BUSINESS"), ("Anna", "UNREAD")):
        factories.lead(first_name=name, email=f"{name}@example.com", status=status, office=crm.leeds)
    client = sign_in(crm.manager)
    link = next(one for one in Page(client.get("/admin/leads/lead/?status=UNREAD&q=ann")).links if "export" in one)
    page = Page(client.get(f"/admin/leads/lead/{link}" if link.startswith("?") else link))
    assert "Export 2 leads?" in page.text and "Those that your filters and your search show" in page.text
    assert chosen(client, "first_name", "status", "office_name", path=link) == [
        ["First name", "Status", "Office name"],
        ["Anna", "UNREAD", "Leeds Central"],
        ["Ann", "UNREAD", "Leeds Central"],
    ]
    assert [row[0] for row in chosen(client, "first_name", path=f"{LEADS}?o=9")][1:] == ["Ann", "Ben", "Anna"]
    log = LogEntry.objects.latest("pk")
    assert (log.user, log.action_flag) == (crm.manager, exporting.EXPORTED)
    assert log.change_message == "Exported 3 leads as CSV, 1 column."


def test_every_field_by_label_or_by_key_custom_ones_too(crm, sign_in):
    CustomField.objects.create(account=crm.account, key="budget", label="Budget", kind="number")
    CustomField.objects.create(account=crm.other, key="theirs", label="Theirs")
    factories.lead(tags=["vip", "fair"], custom_fields={"budget": -5}, meta={"a": "b"}, score=-3, notes=None)
    client = sign_in(crm.manager)
    by_key = exported(client, names="keys")
    told = dict(zip(*by_key, strict=True))
    assert told["tags"] == "vip; fair" and told["custom_fields.budget"] == "-5" and told["score"] == "-3"
    assert told["meta"] == '{"a":"b"}' and told["notes"] == "" and told["full_name"] == "Olivia Hartley"
    assert "custom_fields.theirs" not in told and len(told) > 110
    assert "Business e-mail" in exported(client)[0] and "Budget" in exported(client)[0]


def test_formulas_are_text(crm, sign_in):
    for name in ("=1+1", "+44 7123 456789", "-x", "@cmd", "it's"):
        factories.lead(full_name=name, phone="+447123456789", office=crm.leeds)
    Tag.objects.filter(account=crm.account).delete()
    client = sign_in(crm.manager)
    names = {row[0] for row in chosen(client, "full_name")[1:]}
    assert names == {"'=1+1", "'+44 7123 456789", "'-x", "'@cmd", "it's"}
    assert {row[0] for row in chosen(client, "phone")[1:]} == {"'+447123456789"}
    response = client.post(LEADS, {"format": "xlsx", "column": ["full_name", "score"], "columns": "chosen"})
    sheet = load_workbook(io.BytesIO(response.getvalue())).active
    cells = {row[0].value: (row[0].data_type, row[1].data_type) for row in sheet.iter_rows(min_row=2)}
    assert cells["=1+1"] == ("s", "n") and set(cells) == {"=1+1", "+44 7123 456789", "-x", "@cmd", "it's"}


def test_cells_of_every_kind_come_back_from_a_workbook():
    values = ["<&>\"'", " two\nlines ", "bell\x07", "😀", 5, -1.5, True, None, ["a", "b"], {"x": [1]}, "\t=x"]
    content = b"".join(writing.workbook(["A"] * len(values), [values]))
    sheet = load_workbook(io.BytesIO(content)).active
    found = [cell.value for cell in sheet[2]]
    assert found == ["<&>\"'", " two\nlines ", "bell�", "😀", 5, -1.5, "yes", None, "a; b", '{"x":[1]}', "\t=x"]


def test_much_is_written_piece_by_piece():
    many = ([f"name {number}", number] for number in range(20_000))
    pieces = list(writing.csv_file(["Name", "Number"], many))
    assert len(pieces) > 3 and max(map(len, pieces)) < 2 * writing.PIECE
    many = ([f"name {number * 7919}", number] for number in range(20_000))
    pieces = list(writing.workbook(["Name", "Number"], many))
    assert max(map(len, pieces)) < 3 * writing.PIECE
    assert load_workbook(io.BytesIO(b"".join(pieces)), read_only=True).active["B20001"].value == 19_999


def test_many_leads_take_few_statements(crm, sign_in, django_assert_max_num_queries, monkeypatch):
    for number in range(6):
        factories.lead(last_name=f"{number}", tags=["a"], lists=[], office=crm.leeds, owner_id=crm.staff.pk)
    client = sign_in(crm.manager)
    with django_assert_max_num_queries(30):
        assert len(exported(client)) == 7
    monkeypatch.setattr(rows, "TOGETHER", 2)
    assert len(exported(client)) == 7


def test_each_list_with_its_own_columns(crm, sign_in):
    lead = factories.lead(office=crm.leeds)
    company = Company.objects.create(account=crm.account, name="=Lee", website="https://example.com")
    Product.objects.create(account=crm.account, name="Survey", price="349.50")
    deal = OpportunityType.objects.filter(account=crm.account).first()
    Opportunity.objects.create(lead=lead, type=deal, name="Roof", stage=deal.stages[0], company=company)
    Task.objects.create(lead=lead, account=crm.account, name="Ring", due_at="2026-12-01T09:00:00Z")
    client = sign_in(crm.manager)
    found = {}
    for name in LISTS:
        header, *lines = exported(client, f"/admin/leads/{name}/export/", names="keys")
        found[name] = [dict(zip(header, line, strict=True)) for line in lines]
    assert found["company"][0]["name"] == "'=Lee" and found["product"][0]["price"] == "349.5"
    assert found["opportunity"][0]["name"] == "Roof" and found["opportunity"][0]["lead_id"] == str(lead.pk)
    assert found["task"][0]["due_at"] == "2026-12-01T09:00:00Z" and found["activity"] == []


def test_who_exports_what(crm, sign_in):
    for office in (crm.leeds, crm.york, None):
        factories.lead(office=office, last_name=str(office))
    factories.lead(account=crm.other, office=crm.whitby, last_name="Whitby")
    seen = {
        who: len(exported(sign_in(getattr(crm, who)))) - 1
        for who in ("superuser", "manager", "staff", "staff_b", "other_manager")
    }
    assert seen == {"superuser": 4, "manager": 3, "staff": 1, "staff_b": 1, "other_manager": 1}
    for who in ("auditor", "viewer", "powerless"):
        client = sign_in(getattr(crm, who))
        for name in LISTS:
            path = f"/admin/leads/{name}/export/"
            assert client.get(path).status_code == 403 and client.post(path, {"format": "csv"}).status_code == 403
        assert not [one for one in Page(client.get("/admin/leads/lead/")).links if "export" in one]
    crm.powerless.user_permissions.add(Permission.objects.get(codename="export_lead"))
    assert sign_in(crm.powerless).get(LEADS).status_code == 403, "what may not be seen may not be exported"
    crm.viewer.user_permissions.add(Permission.objects.get(codename="export_lead"))
    assert len(exported(sign_in(crm.viewer))) == 2


@pytest.mark.parametrize(
    ("query", "choice", "status"),
    [
        ("", {"column": ["secret", "password"]}, 200),
        ("", {"format": "exe", "column": ["id"]}, 200),
        ("", {}, 200),
        ("?account__name=x", {"column": ["id"]}, 400),
        ("?created_at_from=never&q=%00", {"column": ["id"], "columns": "chosen"}, 200),
    ],
)
def test_bad_choices_are_asked_again(crm, sign_in, query: str, choice: dict[str, Any], status: int):
    client = sign_in(crm.manager)
    response = client.post(f"{LEADS}{query}", {"format": "csv"} | choice)
    assert response.status_code == status and client.get(f"{LEADS}{query}").status_code == status
