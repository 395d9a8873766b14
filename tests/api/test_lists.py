"""Pages and filters of the lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leads.models import Company, Lead
from tests import factories
from tests.api.conftest import KeyClient, World, check_shape

LEADS = "/api/v1/leads"
NINE = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def ids(client: KeyClient, query: str = "") -> list[int]:
    response = client.get(f"{LEADS}?{query}")
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["data"]]


@pytest.fixture
def dated(world: World) -> list[int]:
    """The ids of ten leads, newest first; 3 of them were made at the same moment, one before 1970."""
    Lead.objects.all().delete()
    moments = [NINE, NINE + timedelta(microseconds=1), NINE, NINE - timedelta(days=365), NINE]
    moments += [NINE + timedelta(hours=n) for n in range(1, 5)] + [datetime(1969, 7, 20, tzinfo=UTC)]
    made = [factories.lead(created_at=moment, office=world.a) for moment in moments]
    return [lead.pk for lead in sorted(made, key=lambda lead: (lead.created_at, lead.pk), reverse=True)]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9, 10, 11, 200])
def test_pages_forth_and_back(manager: KeyClient, dated: list[int], limit: int):
    pages, address = [], f"{LEADS}?limit={limit}&type=vendor"
    while address:
        body = manager.get(address).json()
        assert list(body) == ["data", "next", "previous"]
        pages.append([row["id"] for row in body["data"]])
        address, last = body["next"], body
        assert address is None or (address.startswith("http://testserver/api/v1/leads?") and "type=vendor" in address)
    assert [pk for page in pages for pk in page] == dated
    assert all(len(page) == limit for page in pages[:-1])
    back = [pages[-1]]
    while last["previous"]:
        last = manager.get(last["previous"]).json()
        back.insert(0, [row["id"] for row in last["data"]])
    assert back == pages
    assert last["next"] is None or manager.get(last["next"]).json()["data"][0]["id"] == pages[1][0]


def test_new_rows_do_not_shift_the_pages(manager: KeyClient, dated: list[int]):
    first = manager.get(f"{LEADS}?limit=3").json()
    new = factories.lead(created_at=NINE + timedelta(days=1)).pk
    Lead.objects.get(pk=dated[2]).delete()
    second = manager.get(first["next"]).json()
    assert [row["id"] for row in second["data"]] == dated[3:6]
    before = manager.get(second["previous"]).json()
    assert [row["id"] for row in before["data"]] == [new, *dated[:2]]


def test_an_empty_list(manager: KeyClient):
    Lead.objects.all().delete()
    assert manager.get(LEADS).json() == {"data": [], "next": None, "previous": None}


def test_the_usual_page_has_50_rows(manager: KeyClient):
    Lead.objects.bulk_create([factories.new_lead() for _ in range(60)])
    assert len(ids(manager)) == 50


def test_offices_have_pages_too(manager: KeyClient, world: World):
    body = manager.get("/api/v1/offices?limit=1").json()
    assert [row["id"] for row in body["data"]] == [world.b.pk] and body["previous"] is None
    body = manager.get(body["next"]).json()
    assert [row["id"] for row in body["data"]] == [world.a.pk] and body["next"] is None
    body = manager.get(body["previous"]).json()
    assert [row["id"] for row in body["data"]] == [world.b.pk] and body["previous"] is None


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "after", "after-", "after-1", "after-1-2-3", "before-1-0x2", "after--1", "after-1--2", "AFTER-1-2",
     "after-9999999999999999999-1", "after-1-9223372036854775808", "after--9999999999999999999-1",
     "after-%D9%A3-%D9%A3", "after-1-2%00", "after-1-2%0A", "after-" + "9" * 5000 + "-1", "after-1-" + "9" * 5000],
)  # fmt: skip
def test_cursors_that_nobody_gave(manager: KeyClient, cursor: str):
    check_shape(manager.get(f"{LEADS}?cursor={cursor}"), 400, "invalid", fields=["cursor"])


def test_a_cursor_of_another_list(manager: KeyClient):
    check_shape(manager.get("/api/v1/offices?cursor=after-1-2"), 400, "invalid", fields=["cursor"])
    assert manager.get("/api/v1/offices?cursor=after-1").status_code == 200


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1.5", "ten", "", "9" * 5000, "%D9%A3", "true"])
def test_limits_that_are_refused(manager: KeyClient, limit: str):
    check_shape(manager.get(f"{LEADS}?limit={limit}"), 400, "invalid", fields=["limit"])


FOUND: dict[str, Any] = {
    "type": "landlord",
    "status": "BUSINESS",
    "stage": "WON",
    "source": "rightmove",
    "email": "Zoë.Found@Example.com",
    "phone": "+44 20 7946 0000",
    "business_email": "Zoë.Work@Example.com",
    "lead_status": "Meeting Booked",
    "score": 7,
    "tags": ["VIP", "Zürich"],
    "lists": ["Newsletter"],
    "campaigns": ["Autumn", "Spring"],
}


@pytest.mark.parametrize(
    "query",
    [
        "type=landlord",
        "status=BUSINESS",
        "stage=WON",
        "source=rightmove",
        "office_id={office}",
        "email=Zo%C3%AB.Found@Example.com",
        "email=Zo%C3%AB.found@EXAMPLE.com",
        "phone=%2B44+20+7946+0000",
        "phone=%2B442079460000",
        "phone=+442079460000",
        "phone=020+7946+0000",
        "phone=02079460000",
        "created_after=2026-11-21T09:00:00Z",
        "created_after=2026-11-21T09:00:00",
        "created_after=2026-11-21T10:00:00%2B01:00",
        "created_after=2026-11-21&created_before=2026-11-22",
        "created_before=2026-11-21T09:00:00.001Z&created_after=2026-11-21",
        "type=landlord&status=BUSINESS&stage=WON&source=rightmove&office_id={office}&limit=1",
        "business_email=zo%C3%AB.work@example.COM",
        "lead_status=Meeting+Booked",
        "owner_id={owner}",
        "company_id={company}",
        "pipeline_id={pipeline}",
        "pipeline_stage_id={stage}",
        "tag=vip",
        "tag=Z%C3%9CRICH",
        "list=newsletter",
        "campaign=Autumn",
        "score_min=7&score_max=7",
        "score_min=1",
        "tag=VIP&list=Newsletter&campaign=Spring&lead_status=Meeting+Booked&score_max=2147483647",
    ],
)
def test_filters_find(manager: KeyClient, world: World, query: str):
    Lead.objects.all().update(created_at=NINE - timedelta(days=9))
    stage = world.lettings.stages.get(code="WON")
    wanted = factories.lead(
        **FOUND,
        office=factories.office("Whitby"),
        created_at=NINE,
        owner_id=manager.key.user_id,
        company_id=Company.objects.create(account=world.account, name="Hartley Design").pk,
        pipeline_stage_id=stage.pk,
    )
    factories.lead(tags=["other"], campaigns=["Spring"], score=-1, created_at=NINE - timedelta(days=9))
    places = {"office": wanted.office_id, "owner": wanted.owner_id, "pipeline": world.lettings.pk, "stage": stage.pk}
    places["company"] = wanted.company_id
    found = ids(manager, query.format(**places))
    assert found == [wanted.pk]


@pytest.mark.parametrize(
    "query",
    ["type=let", "status=UNREAD&stage=WON", "source=Rightmove", "email=found@example.com", "phone=0", "phone=abc",
     "office_id=9223372036854775807", "office_id={strange}", "created_after=2026-11-21T09:00:00.001Z&type=landlord",
     "created_before=2026-11-21T09:00:00Z&type=landlord", "created_before=0001-01-01",
     "created_after=9999-12-31T23:59:59Z", "email=%25", "email=_oe@example.com", "source=%27%20OR%201=1--",
     "tag=v%25", "tag=Newsletter", "list=Nowhere", "campaign=vip", "tag=%E2%80%A8", "score_min=8", "score_max=-1",
     "lead_status=Unknown", "owner_id=9223372036854775807", "pipeline_id={lettings}", "pipeline_stage_id=1000000000",
     "business_email=found@example.com"],
)  # fmt: skip
def test_filters_find_nothing_else(manager: KeyClient, world: World, query: str):
    factories.lead(**FOUND, created_at=NINE)
    assert ids(manager, query.format(strange=world.strange.pk, lettings=world.lettings.pk)) == []


def test_callable(manager: KeyClient, world: World):
    Lead.objects.all().delete()
    uk, foreign, none = (factories.lead(phone=phone) for phone in ("07123456789", "+1 650 253 0000", "ask Tom"))
    assert ids(manager, "callable=true") == [uk.pk]
    assert ids(manager, "callable=false") == [none.pk, foreign.pk]


@pytest.mark.parametrize(
    "query, field",
    [
        ("type=tenant", "type"),
        ("type=VENDOR", "type"),
        ("type=", "type"),
        ("status=unread", "status"),
        ("stage=active", "stage"),
        ("source=", "source"),
        ("source=a%00b", "source"),
        ("email=%0A", "email"),
        ("phone=%00", "phone"),
        ("office_id=x", "office_id"),
        ("office_id=0", "office_id"),
        ("office_id=-1", "office_id"),
        ("office_id=9223372036854775808", "office_id"),
        ("office_id=null", "office_id"),
        ("lead_status=follow+up", "lead_status"),
        ("owner_id=me", "owner_id"),
        ("company_id=0", "company_id"),
        ("pipeline_id=Lettings", "pipeline_id"),
        ("pipeline_stage_id=0", "pipeline_stage_id"),
        ("tag=", "tag"),
        ("tag=a%00", "tag"),
        ("list=%0A", "list"),
        ("campaign=", "campaign"),
        ("tag=a&tag=b", "tag"),
        ("score_min=high", "score_min"),
        ("score_min=2147483648", "score_min"),
        ("score_max=-2147483648", "score_max"),
        ("score_max=1.5", "score_max"),
        ("score_max=%D9%A3", "score_max"),
        ("business_email=%7F", "business_email"),
        ("callable=1", "callable"),
        ("callable=True", "callable"),
        ("created_after=yesterday", "created_after"),
        ("created_after=0000-00-00", "created_after"),
        ("created_after=2026-02-30", "created_after"),
        ("created_after=2026-11-21T09:00:00%2B99:00", "created_after"),
        ("created_before=1700000000", "created_before"),
        ("created_before=9999-12-31T23:59:59-14:00", "created_before"),
        ("created_before=0001-01-01T00:00:00%2B14:00", "created_before"),
        ("colour=red", "colour"),
        ("Type=sale", "Type"),
        ("type__in=sale", "type__in"),
        ("account_id=2", "account_id"),
        ("office__account__name=x", "office__account__name"),
        ("page=2", "page"),
        ("format=xml", "format"),
        ("=x", ""),
        ("type=sale&type=let", "type"),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_filters_that_are_refused(manager: KeyClient, query: str, field: str):
    check_shape(manager.get(f"{LEADS}?{query}"), 400, "invalid", fields=[field])


def test_every_bad_parameter_is_named(manager: KeyClient, world: World):
    body = check_shape(manager.get(f"{LEADS}?a=1&b=2&type=sale"), 400, "invalid", fields=["a", "b"])
    assert body["message"] == "2 things are wrong: a, b."
    check_shape(manager.get(f"{LEADS}?type=a&stage=b&callable=c"), 400, "invalid", fields=["type", "stage", "callable"])
    for method, path in (("GET", f"{LEADS}/{world.lead_a.pk}"), ("POST", LEADS), ("GET", "/api/v1/offices")):
        body = {} if method == "POST" else None
        check_shape(manager.send(method, f"{path}?type=sale", body), 400, "invalid", fields=["type"])


def test_more_parameters_than_anybody_needs(manager: KeyClient):
    check_shape(manager.get(f"{LEADS}?" + "&".join(f"a{n}=1" for n in range(5000))), 400, "invalid")
