"""How leads come in: which lead is meant, and what becomes of it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leads import intake
from leads.changes import unit
from leads.identity import digest
from leads.intake import Policy, Refused, take
from leads.merge import merge
from leads.models import Company, CustomField, Lead, LeadKey, LeadList, Tag
from leads.scope import Scope
from tests import factories
from tests.admin.conftest import new_user
from tests.leads.test_concurrency import Other
from webhooks.models import Event

pytestmark = pytest.mark.django_db

DECOMPOSED, COMPOSED = "ju\u0308rgen@example.com", "jürgen@example.com"


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def scope(account):
    return Scope(account.pk, None)


@pytest.fixture
def come(account, scope):
    """Takes what is given; keyword arguments are the policy's, `within` the scope."""

    def come(given: dict[str, Any], within: Scope | None = None, **policy: Any) -> intake.Taken:
        if not {"email", "business_email", "phone", "first_name"} & given.keys():
            given = {"first_name": "Jo", **given}  # a lead is called something
        return take(account.pk, given, replace(Policy(), **policy), within or scope)

    return come


@pytest.fixture
def reference(account):
    return CustomField.objects.create(account=account, key="reference", label="Reference", unique=True)


def custom(key: str) -> str:
    return f"custom_fields.{key}"


# --- which lead is it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "first", "again"),
    [
        ("business_email", {"business_email": "Jo@Example.com"}, {"business_email": "jO@example.COM"}),
        ("business_email", {"business_email": DECOMPOSED}, {"business_email": COMPOSED.upper()}),
        ("email", {"email": "jo@example.com"}, {"email": "JO@example.com"}),
        ("email", {"business_email": "jo@example.com"}, {"business_email": "jo@example.com"}),
        ("phone", {"phone": "07123 456789"}, {"phone": "+44 7123 456 789"}),
        (custom("reference"), {custom("reference"): "Ab-1"}, {custom("reference"): "aB-1"}),
    ],
)
def test_a_lead_is_known_however_it_is_written(come, reference, match, first, again):
    made = come({**first, "first_name": "Jo"}, match=match)
    assert made.action == "created"
    met = come({**again, "last_name": "Lee"}, match=match)
    assert (met.action, met.lead.pk) == ("updated", made.lead.pk)
    assert Lead.objects.get().full_name == "Jo Lee"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal@example.com", "p\u0430ypal@example.com"),  # Cyrillic
        ("smith@example.com", "\u017fmith@example.com"),  # the long s
        ("strasse@example.com", "straße@example.com"),
        ("jo@example.com", "jo+new@example.com"),
    ],
)
def test_look_alikes_are_two(come, one, other):
    come({"business_email": one})
    assert come({"business_email": other}).action == "created"


def test_without_a_value_to_know_it_by_each_is_a_new_lead(come):
    for given in ({"first_name": "Jo"}, {"first_name": "Jo", "business_email": ""}, {"email": "jo@example.com"}):
        assert come(given).action == "created"
    for _ in range(2):
        assert come({"business_email": "jo@example.com"}, match="").action == "created"


def test_the_oldest_of_those_that_share_an_address(come):
    first = factories.lead(business_email="office@example.com")
    factories.lead(business_email="office@example.com")
    assert come({"business_email": "office@example.com"}).lead.pk == first.pk


def test_what_is_known_by_nothing_else_is_known_by_a_unique_field(come, reference):
    """A new lead could not have its value."""
    made = come({custom("reference"): "A1", "business_email": "old@example.com"})
    met = come({custom("reference"): "a1", "business_email": "new@example.com"})
    assert (met.action, met.lead.pk) == ("updated", made.lead.pk)
    assert Lead.objects.get().business_email == "new@example.com"


def test_who_gave_a_unique_value_up_is_not_known_by_it(come, reference):
    first = come({custom("reference"): "A1"}).lead
    first.custom_fields = {"reference": "A2"}
    first.save()
    assert come({custom("reference"): "A1"}).action == "created"
    assert come({custom("reference"): "A2"}).lead.pk == first.pk


def test_other_accounts_have_leads_of_their_own(come):
    factories.lead(account=factories.account("Other"), business_email="jo@example.com")
    assert come({"business_email": "jo@example.com"}).action == "created"


def test_who_sees_one_office_finds_no_other_ones_leads(account, come):
    mine, theirs = factories.office("Mine"), factories.office("Theirs")
    lead = factories.lead(office=theirs, business_email="jo@example.com")
    within = Scope(account.pk, frozenset({mine.pk}))
    made = come({"business_email": "jo@example.com", "first_name": "Changed"}, within)
    assert (made.action, made.lead.office_id) == ("created", mine.pk)
    lead.refresh_from_db()
    assert lead.first_name == "Olivia"
    with pytest.raises(Refused) as refused:
        come({"business_email": "a@example.com", "office_id": theirs.pk}, within)
    assert [one.field for one in refused.value.violations] == ["office_id"]


def test_another_offices_unique_value_is_taken_and_its_lead_not_named(account, come, reference):
    mine, theirs = factories.office("Mine"), factories.office("Theirs")
    factories.lead(office=theirs, custom_fields={"reference": "A1"})
    with pytest.raises(Refused) as refused:
        come({custom("reference"): "A1"}, Scope(account.pk, frozenset({mine.pk})))
    [violation] = refused.value.violations
    assert (violation.field, violation.message) == (custom("reference"), "belongs to another lead already")


@pytest.mark.parametrize("match", ["business_email", "custom_fields.reference"])
def test_a_merged_lead_leads_to_what_it_is_a_part_of(scope, come, reference, match):
    given = {"business_email": "child@example.com", custom("reference"): "C1"}
    child = come(given).lead
    top = factories.lead(business_email="top@example.com", custom_fields={"reference": "T1"})
    middle = factories.lead(business_email="middle@example.com", custom_fields={"reference": "M1"})
    merge(scope, middle.pk, [child.pk])
    merge(scope, top.pk, [middle.pk])
    met = come({match: given[match], "city": "Hull"}, match=match, update="fill_empty")
    assert (met.action, met.lead.pk) == ("updated", top.pk)
    top.refresh_from_db()
    assert top.get("city") == "Hull"


@pytest.mark.parametrize("email", ["no address", "a\x00b@example.com", "\ud800@example.com", 5, ["a@example.com"]])
def test_what_is_no_address_is_refused_and_looked_for_nowhere(come, email):
    with pytest.raises(Refused) as refused:
        come({"business_email": email, "first_name": "Jo"})
    assert [one.field for one in refused.value.violations] == ["business_email"]
    assert not LeadKey.objects.exists()


# --- what becomes of it ----------------------------------------------------------------------------------------------

BEFORE = {"business_email": "jo@example.com", "first_name": "Jo", "city": "Hull", "tags": ["Old"], "notes": ""}
CAME = {
    "business_email": "jo@example.com",
    "first_name": "Joan",
    "last_name": "Lee",
    "city": None,
    "tags": ["NEW", "old"],
}


@pytest.mark.parametrize(
    ("update", "protected", "becomes"),
    [
        ("overwrite", (), ("Joan", "Lee", "Hull", ["Old", "NEW"])),
        ("overwrite", ("first_name", "tags"), ("Jo", "Lee", "Hull", ["Old"])),
        ("overwrite", ("last_name",), ("Joan", "Lee", "Hull", ["Old", "NEW"])),  # empty so far
        ("fill_empty", (), ("Jo", "Lee", "Hull", ["Old"])),
        ("mirror", (), ("Joan", "Lee", None, ["NEW", "old"])),
        ("mirror", ("city",), ("Joan", "Lee", "Hull", ["NEW", "old"])),
        ("keep", (), ("Jo", None, "Hull", ["Old"])),
    ],
)
def test_what_is_there_and_what_came(come, update, protected, becomes):
    come(BEFORE)
    assert come(CAME, update=update, protected=frozenset(protected)).action == "updated"
    lead = Lead.objects.get()
    names = sorted(lead.get("tags"), key=["Old", "NEW", "old"].index)
    wanted = [*becomes[:3], sorted({"old": "Old"}.get(name, name) for name in becomes[3])]
    assert [lead.first_name, lead.last_name, lead.get("city"), sorted(names)] == wanted


def test_custom_fields_go_one_by_one(account, come, reference):
    CustomField.objects.create(account=account, key="floor", label="Floor", kind="number")
    come({"business_email": "jo@example.com", custom("floor"): 2, custom("reference"): "A1"})
    come({"business_email": "jo@example.com", custom("floor"): 3}, protected=frozenset({custom("reference")}))
    come({"business_email": "jo@example.com", custom("reference"): "A2"}, update="fill_empty")
    assert Lead.objects.get().custom_fields == {"floor": 3, "reference": "A1"}
    with pytest.raises(Refused) as refused:
        come({"business_email": "jo@example.com", custom("nothing"): 1})
    assert [one.rule for one in refused.value.violations] == ["unknown"]


def test_a_lead_that_is_left_as_it_is_tells_nothing(come):
    come(BEFORE)
    events = Event.objects.count()
    come(CAME, update="keep")
    come({"business_email": "JO@example.com"}, update="fill_empty")
    assert (Event.objects.count(), Lead.objects.get().version) == (events, 1)


def test_a_new_lead_gets_the_usual_values_and_one_that_is_there_does_not(account, come):
    office, person = factories.office(), new_user("ann", account)
    usual = {"source": "partner", "office_id": office.pk, "owner_id": person.pk}
    lead = come({"business_email": "jo@example.com"}, **usual).lead
    assert (lead.source, lead.office_id, lead.owner_id) == ("partner", office.pk, person.pk)
    assert come({"business_email": "a@example.com", "source": "their own"}, **usual).lead.source == "their own"
    lead.owner = None
    lead.save()
    lead = come({"business_email": "jo@example.com", "source": "later"}, **usual).lead
    assert (lead.source, lead.owner_id) == ("partner", None)


def test_who_has_left_gets_no_lead_and_keeps_none_away(account, come):
    person = new_user("ann", account)
    person.is_active = False
    person.save()
    assert come({"business_email": "jo@example.com"}, owner_id=person.pk).lead.owner_id is None


def test_labels_of_the_policy_are_added_whatever_becomes_of_the_lead(account, come):
    for name in ("Newsletter", "Own"):
        LeadList.objects.create(account=account, name=name)
    come({"business_email": "jo@example.com", "lists": ["Own"]})
    lead = come({"business_email": "jo@example.com"}, lists=("newsletter",), tags=("Web",), update="keep").lead
    assert sorted(Lead.objects.get(pk=lead.pk).get("lists")) == ["Newsletter", "Own"]
    assert Tag.objects.get().name == "Web"


def test_others_are_named_as_people_name_them(account, come):
    office, person = factories.office("Leeds"), new_user("ann", account)
    company = Company.objects.create(account=account, name="Acme")
    pipeline = account.pipelines.get()
    stage = pipeline.stages.order_by("position")[1]
    names = {"office_name": "leeds ", "owner": person.email.upper(), "company": "ACME"}
    lead = come({**names, "pipeline": pipeline.name.lower(), "stage_name": stage.name.upper()}).lead
    assert (lead.office, lead.owner, lead.company, lead.pipeline_stage) == (office, person, company, stage)


@pytest.mark.parametrize("name", ["Nobody", "a\x00b", "\ud800", 7, {"a": 1}])
@pytest.mark.parametrize("key", ["owner", "office_name", "pipeline", "stage_name", "company"])
def test_what_no_record_is_called(come, key, name):
    with pytest.raises(Refused) as refused:
        come({"first_name": "Jo", key: name})
    assert [(one.field, one.rule) for one in refused.value.violations] == [(key, "reference")]


def test_every_fault_is_told_and_nothing_is_stored(come):
    given = {"business_email": "no address", "beds": "three", "lists": ["None such"], "tags": [{}], "colour": "red"}
    with pytest.raises(Refused) as refused:
        come(given, tags=("Web",))
    assert {one.field for one in refused.value.violations} == given.keys()
    assert not Lead.objects.exists() and not Tag.objects.exists()


@pytest.mark.parametrize("key", ["status", "score", "pipeline_id", "pipeline_stage_id", "custom_fields.reference"])
def test_what_cannot_be_empty_is_refused_or_left(come, reference, key):
    """Never a fault of the database."""
    come({"business_email": "jo@example.com", custom("reference"): "A1"})
    try:
        come({"business_email": "jo@example.com", key: None}, update="mirror")
    except Refused as refused:
        assert [one.field for one in refused.violations] == [key]


# --- at once ---------------------------------------------------------------------------------------------------------


def at_once(count: int, work: Any) -> list[Any]:
    """What each thread's work gave, or the error that it ended with."""
    results: list[Any] = []

    def run(number: int) -> None:
        try:
            results.append(work(number))
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.django_db(transaction=True)
def test_a_hundred_at_once_make_one_lead(account, come):
    """Ten at a time, as connections are few; in other words and by both kinds of field."""
    CustomField.objects.create(account=account, key="reference", label="Reference", unique=True)

    def post(thread: int) -> list[str]:
        given = {"business_email": ["Jo@example.com", "jo@Example.com"][thread % 2], custom("reference"): "A1"}
        match = ["business_email", custom("reference")][thread // 2 % 2]
        return [come({**given, "first_name": f"{thread}-{number}"}, match=match).action for number in range(10)]

    actions = [action for result in at_once(10, post) for action in result]
    assert (actions.count("created"), actions.count("updated")) == (1, 99)
    assert Lead.objects.count() == 1 and LeadKey.objects.count() == 2
    lead = Lead.objects.get()
    assert lead.version == 100 == Event.objects.filter(type__in=["lead.created", "lead.updated"]).count()


@pytest.mark.django_db(transaction=True)
def test_others_do_not_wait_for_each_other_for_ever(account, come):
    """Two values each, in both orders."""
    for key in ("a", "b"):
        CustomField.objects.create(account=account, key=key, label=key, unique=True)

    def post(thread: int) -> list[str]:
        keys = ("a", "b") if thread % 2 else ("b", "a")
        return [come({custom(key): str(number) for key in keys}, match=custom(keys[0])).action for number in range(5)]

    actions = [action for result in at_once(4, post) for action in result]
    assert (actions.count("created"), len(actions)) == (5, 20)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time.")
def test_who_waits_for_a_new_key_holds_none_that_is_there(account):
    """An import makes the keys that are new before it locks all of its own."""
    CustomField.objects.create(account=account, key="reference", label="Reference", unique=True)
    given = {"business_email": "jo@example.com", "custom_fields.reference": "R1"}
    email, reference = ("business_email", digest("jo@example.com")), ("custom_fields.reference", digest("r1"))
    LeadKey.objects.create(account=account, field=email[0], digest=email[1])
    other = Other(lambda: take(account.pk, given, Policy(), Scope(account.pk, None)))
    with unit():
        LeadKey.hold(account.pk, {reference: None})
        other.start_and_wait_for_us()
        LeadKey.hold(account.pk, {email: None})
    other.join(10)
    assert other.error is None


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_a_lead_that_is_there_is_read_once(come):
    come({"business_email": "jo@example.com", "city": "Leeds"})
    with CaptureQueriesContext(connection) as queries:
        come({"business_email": "jo@example.com", "city": "York"})
    assert sum("has_messages" in query["sql"] for query in queries) == 1
    assert Lead.objects.get().get("city") == "York"


def test_what_was_taken_and_rolled_back_is_told_as_it_is_stored(come, told):
    come({"business_email": "jo@example.com", "city": "Leeds"})
    told.clear()
    with unit(), pytest.raises(RuntimeError), unit():
        come({"business_email": "jo@example.com", "city": "York"})
        raise RuntimeError
    assert told == []
    with unit():
        come({"business_email": "jo@example.com", "city": "York"})
        Lead.objects.update(source="walk-in")
    assert told[0].changes.keys() == {"city", "source"}
    assert told[0].snapshot["city"] == "York"
