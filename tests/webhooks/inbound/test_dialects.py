"""Each of our own formats is read by another instance: rendered and signed for sending, posted to the real address."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from leads.models import Lead
from tests.webhooks.inbound.conftest import new_key
from tests.webhooks.inbound.dialects import CHANGED, READ_BY, Side, carried, seen, tell
from tests.webhooks.outbound.claims import claimed
from webhooks.models import Event, InboundWebhook, Receipt, Webhook
from webhooks.outbound.compose import compose
from webhooks.wire.exchange import Request

pytestmark = pytest.mark.django_db


@pytest.fixture(params=READ_BY)
def dialect(request):
    return request.param


@pytest.fixture
def here(db, dialect):
    return Side.new("Skyline Estates", dialect)


@pytest.fixture
def there(db, dialect):
    return Side.new("Northgate Homes", dialect)


@pytest.fixture
def linked(here, there, dialect):
    """Each tells the other."""
    tell(here, there, dialect, new_key(there.account))
    tell(there, here, dialect, new_key(here.account))


def post(request: Request) -> Any:
    """What is sent, at the address that it is sent to, as it stands."""
    url = urlsplit(request.url)
    headers = dict(request.headers)
    media_type = headers.pop("Content-Type")
    path = f"{url.path}?{url.query}"
    return Client().generic(request.method, path, request.body, content_type=media_type, headers=headers)


def deliver() -> list[Any]:
    """Post all that is due, and what that leads to, until nothing is; the answers in their order."""
    answers = []
    while claims := claimed():
        parcels, refused = compose(claims)
        assert not refused
        answers += [post(parcel.request) for parcel in parcels]
        assert len(answers) < 20, "it never ends"
    return answers


def change(lead: Lead, **values: Any) -> None:
    for key, value in values.items():
        lead.set(key, value)
    lead.save()


def test_a_lead_and_its_changes_arrive_whole_and_come_back_as_no_change(here, there, linked, dialect):
    lead = here.lead()
    if dialect == "leadengine":  # it tells of changes of the lead status alone
        change(lead, lead_status="Needs Info")
    answers = deliver()
    # There, and from there the same once more to here, where it changes nothing.
    back = [] if dialect == "leadengine" else ["updated"]  # of new leads it does not tell
    assert [answer.json()["action"] for answer in answers] == ["created", *back]
    assert seen(there.only(), dialect) == seen(Lead.objects.get(pk=lead.pk), dialect)
    assert len(carried(dialect)) >= 10
    assert here.only().version == lead.version

    lead = here.only()
    change(lead, **CHANGED | ({"lead_status": "Opportunity"} if dialect == "leadengine" else {}))
    answers = deliver()
    assert {answer.json()["action"] for answer in answers} == {"updated"}
    assert seen(there.only(), dialect) == seen(here.only(), dialect)
    assert here.only().version == lead.version


def test_what_is_changed_there_comes_back(here, there, linked, dialect):
    lead = here.lead()
    change(lead, lead_status="Opportunity")
    deliver()
    copy = there.only()
    change(copy, first_name="Olive", full_name="Olive Hartley", score=99, lead_status="Meeting Booked")
    deliver()
    mine = here.only()
    assert mine.pk == lead.pk
    assert seen(mine, dialect) == seen(there.only(), dialect)
    assert mine.first_name == "Olive"
    told = Event.objects.filter(account=here.account).latest("id")
    assert (told.actor_kind, told.hops) == ("inbound", 1)


def test_two_that_never_agree_end_after_three_hops(here, there, linked, dialect):
    """Each side puts the other's values where they do not belong, and tells so."""
    for inbound in (*here.doors.values(), *there.doors.values()):
        confuse(inbound)
    lead = here.lead()
    change(lead, lead_status="Opportunity")
    answers = deliver()
    change(here.only(), lead_status="Needs Info")
    answers += deliver()
    assert "ignored" in [answer.json()["status"] for answer in answers]
    assert set(Receipt.objects.values_list("status", "hops")) >= {("applied", 2), ("ignored", 3)}
    assert not Receipt.objects.filter(hops__gt=3).exists()


def confuse(inbound: InboundWebhook) -> None:
    rows = {row["field"]: row for row in inbound.mapping}
    if "new_lead_status" in inbound.only_path:
        rows["lead_status"]["path"] = "previous_lead_status"
    else:
        names = "first_name", "last_name", "phone"
        paths = [rows[name]["path"] for name in names]
        for name, path in zip(names, paths[1:] + paths[:1], strict=True):
            rows[name]["path"] = path
    inbound.save()


def test_what_is_signed_by_another_secret_is_not_taken(here, there, dialect):
    tell(here, there, dialect, "lck_00000000000000000000000000000000")
    for inbound in there.doors.values():
        if inbound.secret:
            inbound.secret = "another one, just as long as it has to be"
            inbound.save()
    change(here.lead(), lead_status="Opportunity")
    answers = deliver()
    assert answers
    assert {answer.status_code for answer in answers} == {401}
    assert not Receipt.objects.exists()


def test_a_deleted_lead_stays_there(here, there, linked, dialect):
    lead = here.lead()
    change(lead, lead_status="Opportunity")
    deliver()
    lead.delete()
    assert {answer.json()["status"] for answer in deliver()} <= {"ignored"}
    assert there.only().email == lead.email


@pytest.mark.parametrize("dialect", ["save_lead"], indirect=True)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_save_lead_by_another_method_is_told_405(here, there, dialect, method):
    tell(here, there, dialect, new_key(there.account))
    Webhook.objects.update(settings={"method": method})
    here.lead()
    assert [answer.status_code for answer in deliver()] == [405]


@pytest.mark.parametrize("dialect", ["leadsquared"], indirect=True)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_leadsquared_in_another_content_type_is_told_415(here, there, dialect, kind):
    tell(here, there, dialect, new_key(there.account))
    Webhook.objects.update(settings={"content_type": kind})
    here.lead()
    assert [answer.status_code for answer in deliver()] == [415]
    assert not Receipt.objects.exists()
