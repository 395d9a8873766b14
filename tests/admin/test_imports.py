"""Importing leads in the admin: a file, its mapping, a look, the run, and what was refused; and who may not."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from openpyxl import Workbook

from leads.imports import upload, work
from leads.models import ImportRefusal, Lead, LeadImport, LeadList
from leads.models.lead_import import ImportState
from tests.admin.page import Page

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/leadimport/"
ADD = f"{LIST}add/"
CSV = (
    "First name,Surname,E-Mail,Company,Office,Tags,Nonsense\n"
    "Ann,Lee,ann@example.com,Lee Ltd,,fair;vip,x\n"
    "Ben,Lee,no address,Lee Ltd,,,=1+1\n"
    "Cy,Lee,cy@example.com,Lee Ltd,,fair,x\n"
)


def page_of(job: LeadImport, query: str = "") -> str:
    return f"{LIST}{job.pk}/change/{query}"


def uploaded(client: Client, content: bytes | str = CSV, name: str = "fair.csv", **more: Any) -> Any:
    content = content.encode() if isinstance(content, str) else content
    return client.post(ADD, {"file": SimpleUploadedFile(name, content), **more})


def mapped(client: Client, job: LeadImport, **changes: Any) -> Any:
    form = next(form for form in Page(client.get(page_of(job, "?step=map"))).forms if "match" in form)
    return client.post(page_of(job), form | changes)


def test_a_file_becomes_leads(crm, sign_in):
    LeadList.objects.create(account=crm.account, name="Fair")
    client = sign_in(crm.manager)
    assert "Import leads from a file" in Page(client.get(ADD)).text
    response = uploaded(client)
    job = LeadImport.objects.get()
    assert response.url == page_of(job) and (job.rows, job.account, job.started_by) == (3, crm.account, crm.manager)
    page = Page(client.get(page_of(job)))
    form = next(form for form in page.forms if "match" in form)
    assert [form[f"column-{place}"] for place in range(7)] == [
        ["first_name"], ["last_name"], ["email"], ["company_name"], ["office_name"], ["tags"], [""],
    ]  # fmt: skip
    assert form["match"] == ["email"] and "ann@example.com" in page.text
    changes = {"office": crm.leeds.pk, "lists": ["Fair"], "tags.typed": "imported", "source": "fair"}
    assert mapped(client, job, **changes).url == page_of(job)
    text = Page(client.get(page_of(job))).text
    assert "Import 3 rows?" in text and "New lead" in text and "E-mail must be an e-mail address" in text
    assert not Lead.objects.exists()

    client.post(page_of(job), {"_check": "1"})
    waiting = client.get(page_of(job))
    assert "Checking: nothing is stored" in Page(waiting).text
    work.work(job.pk)
    # The page that waits puts this part of the next one in its own place: without it, it would wait for ever.
    assert all(b'id="import"' in each.content for each in (waiting, client.get(page_of(job))))
    page = Page(client.get(page_of(job)))
    assert "New leads 2" in page.text and "Refused rows 1" in page.text and not Lead.objects.exists()

    client.post(page_of(job), {"_run": "1"})
    page = Page(client.get(page_of(job)))
    assert "0 of 3 rows" in page.text and "Cancel import" in page.text
    work.work(job.pk)
    assert "What came of it" in Page(client.get(page_of(job))).text
    ann, _ = Lead.objects.order_by("pk")
    assert (ann.full_name, ann.office, ann.source, ann.get("tags"), ann.get("lists")) == (
        "Ann Lee", crm.leeds, "fair", ["fair", "vip", "imported"], ["Fair"],
    )  # fmt: skip
    assert "fair.csv" in Page(client.get(LIST)).text

    refused = client.get(f"{LIST}{job.pk}/refused/")
    assert refused["Content-Type"].startswith("text/csv") and "fair.csv" in refused["Content-Disposition"]
    lines = refused.getvalue().decode("utf-8-sig").splitlines()
    assert lines[0] == "First name,Surname,E-Mail,Company,Office,Tags,Nonsense,What is wrong"
    assert lines[1].startswith("Ben,Lee,no address,Lee Ltd,,,'=1+1,E-mail must be an e-mail address")
    assert client.post(page_of(job), {"_run": "1"}).status_code == 302 and Lead.objects.count() == 2


def test_a_workbook_becomes_leads(crm, sign_in):
    book = Workbook()
    for row in (["Name", "E-mail", "Score"], ["Ann Lee", "ann@example.com", 7]):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    client = sign_in(crm.manager)
    uploaded(client, file.getvalue(), "fair.xlsx")
    job = LeadImport.objects.get()
    mapped(client, job)
    client.post(page_of(job), {"_run": "1"})
    work.work(job.pk)
    assert (Lead.objects.get().full_name, Lead.objects.get().score) == ("Ann Lee", 7)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "The file is empty."),
        ("Name,Name\nAnn,Ben\n", "Two columns have the name"),
        (b"PK\x03\x04rubbish", "This Excel file cannot be read."),
        (b"\0\1\2" * 100, "This is no text file."),
        ("Name\n" + "x" * 1_000_000, "too long"),
        ("x" * (20 * 1024 * 1024 + 1), "larger than 20 MB"),
    ],
)
def test_what_is_no_table_is_refused_in_words(crm, sign_in, content: Any, said: str):
    response = uploaded(sign_in(crm.manager), content)
    assert response.status_code == 200 and said in Page(response).text
    assert not LeadImport.objects.exists()


def test_no_file_and_a_strange_name(crm, sign_in):
    client = sign_in(crm.manager)
    assert "Choose a file." in Page(client.post(ADD, {})).text
    assert "Choose a file." in Page(client.post(ADD, {"file": "text"})).text
    uploaded(client, name="a\u202e\x00<script>" + "x" * 300 + ".csv")
    job = LeadImport.objects.get()
    assert len(job.name) <= 200 and job.name.isprintable()
    assert b"<script>xx" not in client.get(page_of(job)).content


def test_far_too_much_is_not_even_kept(crm, sign_in, monkeypatch):
    monkeypatch.setattr(upload, "MOST", 1000)
    assert uploaded(sign_in(crm.manager), "Name\n" + "x" * 2000).status_code == 400
    assert not LeadImport.objects.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"column-2": ""}, "No column is E-mail."),
        ({"column-1": "first_name"}, "First name comes from First name already."),
        ({f"column-{place}": "" for place in range(7)} | {"match": ""}, "Choose a field for at least one column."),
        ({"column-0": "secret"}, "Choose one of the fields on offer."),
        ({"column-0": "created_at"}, "Choose one of the fields on offer."),
        ({"match": "id"}, "Select a valid choice"),
        ({"update": "destroy"}, "Select a valid choice"),
        ({"office": "999999"}, "must be one of those on offer"),
        ({"tags.typed": "x" * 101}, "Tags must hold names"),
        ({"source": "x\x00y"}, "Null characters are not allowed"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_in_words(crm, sign_in, changes: dict[str, Any], said: str):
    client = sign_in(crm.manager)
    uploaded(client)
    job = LeadImport.objects.get()
    response = mapped(client, job, **changes)
    assert response.status_code == 200 and said in Page(response).text
    job.refresh_from_db()
    assert job.columns == [] and client.post(page_of(job), {"_run": "1"}).status_code == 302
    job.refresh_from_db()
    assert job.state == ImportState.DRAFT, "what is not mapped does not run"


def test_offices_of_others_are_not_on_offer(crm, sign_in):
    client = sign_in(crm.staff)
    uploaded(client)
    job = LeadImport.objects.get()
    page = Page(client.get(page_of(job)))
    assert crm.leeds.name in page.text and crm.york.name not in page.text and crm.whitby.name not in page.text
    assert "must be one of those on offer" in Page(mapped(client, job, office=crm.york.pk)).text
    crm.staff.membership.offices.add(crm.harrogate)
    assert "unless a column has it" in Page(mapped(client, job, office="", **{"column-4": ""})).text
    assert mapped(client, job, office=crm.leeds.pk).status_code == 302
    client.post(page_of(job), {"_run": "1"})
    work.work(job.pk)
    assert {lead.office for lead in Lead.objects.all()} == {crm.leeds}


def test_who_may_import_and_whose_files_they_see(crm, sign_in):
    uploaded(sign_in(crm.staff))
    job = LeadImport.objects.get()
    ImportRefusal.objects.create(of=job, number=2, cells=b"[]", faults=["x"])
    paths = (page_of(job), f"{LIST}{job.pk}/refused/", f"{LIST}{job.pk}/delete/")
    seen = {}
    for who in ("superuser", "manager", "staff", "staff_b", "other_manager", "auditor", "viewer", "powerless"):
        client = sign_in(getattr(crm, who))
        seen[who] = (client.get(ADD).status_code, {client.get(path).status_code for path in paths})
        named = client.get(LIST)
        assert (b"fair.csv" in named.content) == (seen[who][1] == {200}), who
        posted = client.post(page_of(job), {"_cancel": "1"}).status_code
        assert posted == {200: 302}.get(next(iter(seen[who][1])), next(iter(seen[who][1])))
    assert seen == {
        "superuser": (200, {200}),
        "manager": (200, {200}),
        "staff": (200, {200}),
        "staff_b": (200, {404}),
        "other_manager": (200, {404}),
        "auditor": (403, {403}),
        "viewer": (403, {403}),
        "powerless": (403, {403}),
    }
    assert sign_in(crm.outsider).get(LIST).status_code == 302
    for bad in ("x", "9" * 30, "0"):
        assert sign_in(crm.manager).get(f"{LIST}{bad}/change/").status_code == 404


def test_a_superuser_says_whose_leads_they_are(crm, sign_in):
    client = sign_in(crm.superuser)
    assert "Account is required." in Page(uploaded(client)).text
    uploaded(client, account=crm.other.pk)
    job = LeadImport.objects.get()
    mapped(client, job)
    client.post(page_of(job), {"_run": "1"})
    work.work(job.pk)
    assert {lead.account for lead in Lead.objects.all()} == {crm.other}


def test_cancel_and_delete(crm, sign_in):
    client = sign_in(crm.manager)
    uploaded(client)
    job = LeadImport.objects.get()
    mapped(client, job)
    client.post(page_of(job), {"_run": "1"})
    assert client.post(f"{LIST}{job.pk}/delete/", {"post": "yes"}).status_code == 403, "it is at work"
    client.post(page_of(job), {"_cancel": "1"})
    assert "The import was cancelled." in Page(client.get(page_of(job))).text
    work.work(job.pk)
    assert not Lead.objects.exists()
    assert "The leads that it made stay." in Page(client.get(f"{LIST}{job.pk}/delete/")).text
    client.post(f"{LIST}{job.pk}/delete/", {"post": "yes"})
    assert not LeadImport.objects.exists()


def test_the_list_of_leads_leads_here(crm, sign_in):
    assert ADD in Page(sign_in(crm.staff).get("/admin/leads/lead/")).links
    assert ADD not in Page(sign_in(crm.auditor).get("/admin/leads/lead/")).links
