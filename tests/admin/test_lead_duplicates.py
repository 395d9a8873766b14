"""Likely duplicates: on the lead's page, on a page of their own, and dismissed for good."""

from __future__ import annotations

import pytest

from leads.models import Lead, NotSame
from tests import factories
from tests.admin.page import Page

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"
ALL = f"{LIST}duplicates/"
DISMISS = f"{LIST}not-the-same/"


def page_of(lead: Lead) -> str:
    return f"{LIST}{lead.pk}/change/"


@pytest.fixture
def pair(crm):
    """Two of one phone in Leeds, and one in York."""
    names = {"Ann": crm.leeds, "Anna": crm.leeds, "Hannah": crm.york}
    return [
        factories.lead(type=None, office=office, first_name=name, email=f"{name}@example.com", postcode=None)
        for name, office in names.items()
    ]


def test_from_the_leads_page_to_the_merge(crm, sign_in, pair):
    ann, anna, _ = pair
    client = sign_in(crm.staff)
    page = Page(client.get(page_of(ann)))
    assert "Likely duplicates" in page.text and "Same phone" in page.text
    assert "Anna Hartley" in page.text and "Hannah" not in page.text
    merge = f"{LIST}merge/?lead={ann.pk}&lead={anna.pk}"
    assert merge in page.links and client.get(merge).status_code == 200
    assert "Hannah Hartley" in Page(sign_in(crm.manager).get(page_of(ann))).text


def test_not_the_same_is_said_once_and_for_all(crm, sign_in, pair):
    ann, anna, _ = pair
    client = sign_in(crm.staff)
    sent = {"lead": [ann.pk, anna.pk], "back": page_of(ann)}
    response = client.post(DISMISS, sent)
    assert response["Location"] == page_of(ann)
    assert client.post(DISMISS, sent | {"back": "https://elsewhere.example"})["Location"] == ALL
    said = NotSame.objects.get()
    assert (said.first, said.second, said.said_by) == (ann, anna, str(crm.staff))
    page = Page(client.get(page_of(ann)))
    assert f"Not the same: {ann}, {anna}." in page.text and "Same phone" not in page.text
    assert "No likely duplicates here" in Page(client.get(ALL)).text


def test_the_page_goes_through_all_of_them(crm, sign_in, pair, monkeypatch):
    monkeypatch.setattr("leads.duplicates.PAGE", 1)
    for name in ("Zoe", "Zoey"):
        factories.lead(office=crm.leeds, phone="07999999999", email=f"{name}@example.com", first_name=name)
    client = sign_in(crm.manager)
    assert ALL in Page(client.get(LIST)).links
    first = Page(client.get(ALL))
    assert "+447123456789 3 leads" in first.text and "Zoe" not in first.text
    (following,) = [link for link in first.links if "after=" in link]
    assert "7123456789" not in following
    second = Page(client.get(ALL + following))
    assert "Zoe" in second.text and "Anna" not in second.text
    assert client.get(f"{ALL}?after=forged&same=nothing").status_code == 200
    by_name = Page(client.get(f"{ALL}?same=name_and_postcode")).text
    assert "No likely duplicates here" in by_name


def test_who_may_what(crm, sign_in, pair):
    ann, anna, hannah = pair
    assert "2 leads" in Page(sign_in(crm.staff).get(ALL)).text  # York's is not among them
    auditor = sign_in(crm.auditor)
    page = Page(auditor.get(ALL))
    assert "3 leads" in page.text and "Not the same" not in page.text
    assert auditor.post(DISMISS, {"lead": [ann.pk, anna.pk]}).status_code == 403
    staff = sign_in(crm.staff)
    assert staff.get(DISMISS).status_code == 405
    staff.post(DISMISS, {"lead": [ann.pk, hannah.pk, "x", 10**30]})
    assert not NotSame.objects.exists()
    assert [sign_in(crm.powerless).get(path).status_code for path in (ALL, DISMISS)] == [403, 403]
