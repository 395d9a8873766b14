"""Who listens is kept in memory: what decides it is heeded by the very next save, whoever wrote it, and wherever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, models, transaction
from django.test.utils import CaptureQueriesContext

from leads.changes import unit
from leads.models import Account, Company, Lead, Product, User
from leads.models.membership import Membership
from tests import factories
from webhooks.models import Delivery, Event, State, Webhook
from webhooks.outbound import switch

pytestmark = pytest.mark.django_db(transaction=True)

NEW = {"name": "New", "url": "http://127.0.0.1:9/hook", "dialect": "leadpro", "events": ["lead.updated"]}
VENDORS = [{"field": "type", "op": "is", "value": ["vendor"]}]


@pytest.fixture
def lead() -> Lead:
    """One that was saved before, in an office of its own."""
    return factories.lead(office=factories.office())


def heard(lead: Lead) -> int:
    """How many deliveries the next save has."""
    before = Delivery.objects.count()
    lead.score = (lead.score or 0) + 1
    lead.save()
    return Delivery.objects.count() - before


def elsewhere(write: Callable[[], object]) -> None:
    """On a connection of its own, as another process would."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            write()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def stored(**columns: Any) -> Webhook:
    """A webhook that hears the lead, but for these columns of it."""
    webhook = factories.webhook()
    models.QuerySet(Webhook).filter(pk=webhook.pk).update(**columns)
    webhook.account.save()  # its token is renewed
    webhook.refresh_from_db()
    return webhook


def changed(webhook: Webhook, alone: bool, **columns: Any) -> None:
    for column, value in columns.items():
        setattr(webhook, column, value)
    webhook.save(update_fields=list(columns) if alone else None)


def changed_with_others(webhook: Webhook, **columns: Any) -> None:
    for column, value in columns.items():
        setattr(webhook, column, value)
    Webhook.objects.bulk_update([webhook], list(columns))


BEGINNINGS: dict[str, tuple[dict[str, Any], Callable[[Webhook], object]]] = {
    "enabled": ({"state": State.DISABLED}, lambda webhook: switch.enable(webhook.pk)),
    "state": ({"state": State.DISABLED}, lambda webhook: changed(webhook, True, state=State.ENABLED)),
    "state by query": ({"state": State.DISABLED}, lambda webhook: Webhook.objects.update(state=State.ENABLED)),
    "events": ({"events": ["lead.deleted"]}, lambda webhook: changed(webhook, True, events=["lead.updated"])),
    "events by query": ({"events": []}, lambda webhook: Webhook.objects.update(events=["lead.updated"])),
    "filters": ({"filters": VENDORS}, lambda webhook: changed(webhook, False, filters=[])),
    "many": ({"filters": VENDORS}, lambda webhook: changed_with_others(webhook, filters=[])),
    "system": ({"dialect": "gone"}, lambda webhook: changed(webhook, False, dialect="leadpro")),
}


@pytest.mark.parametrize("kept_from, write", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_a_webhook_that_begins_to_listen_hears_the_next_save(lead, kept_from, write):
    webhook = stored(**kept_from)
    assert heard(lead) == 0
    elsewhere(lambda: write(webhook))
    assert heard(lead) == 1


ENDS: dict[str, Callable[[Webhook], object]] = {
    "disabled": lambda webhook: switch.disable(webhook.pk),
    "deleted by switch": lambda webhook: switch.delete(webhook.pk),
    "deleted": lambda webhook: Webhook.objects.get(pk=webhook.pk).delete(),
    "deleted by query": lambda webhook: Webhook.objects.all().delete(),
    "events": lambda webhook: changed(webhook, True, events=["lead.deleted"]),
    "filters": lambda webhook: changed(webhook, False, filters=VENDORS),
    "filters by query": lambda webhook: Webhook.objects.update(filters=VENDORS),
    "offices": lambda webhook: webhook.offices.set([factories.office("York")]),
    "office's webhooks": lambda webhook: factories.office("York").webhooks.add(webhook),
    "account by query": lambda webhook: Webhook.objects.update(account=factories.account("Harbour Lets")),
}


@pytest.mark.parametrize("write", ENDS.values(), ids=ENDS.keys())
def test_a_webhook_that_ends_listening_does_not_hear_the_next_save(lead, write):
    webhook = factories.webhook()
    assert heard(lead) == 1
    elsewhere(lambda: write(webhook))
    with CaptureQueriesContext(connection) as captured:
        assert heard(lead) == 0
    written = [query["sql"] for query in captured if "INSERT INTO webhooks_delivery" in query["sql"]]
    assert not written, "it is not even asked"


@pytest.mark.parametrize(
    "make",
    [
        lambda: factories.webhook(),
        lambda: Webhook.objects.bulk_create([Webhook(account=factories.account(), **NEW)]),
        lambda: Webhook.objects.update_or_create(account=factories.account(), defaults=NEW),
    ],
    ids=["one", "many", "by its account"],
)
def test_a_new_webhook_hears_the_next_save(lead, make):
    assert heard(lead) == 0
    elsewhere(make)
    assert heard(lead) == 1


def test_offices_that_are_chosen_and_taken_away(lead):
    webhook = factories.webhook(offices=[factories.office("York")])
    assert heard(lead) == 0
    webhook.offices.add(lead.office)
    assert heard(lead) == 1
    webhook.offices.remove(lead.office)
    assert heard(lead) == 0
    webhook.offices.clear()
    assert heard(lead) == 1


@pytest.mark.parametrize(
    "give",
    [
        lambda webhook, account: changed(webhook, True, account=account),
        lambda webhook, account: Webhook.objects.filter(pk=webhook.pk).update(account=account),
    ],
    ids=["itself", "by query"],
)
def test_what_was_given_to_another_account_is_heard_of_there(lead, give):
    webhook = factories.webhook()
    other = factories.account("Harbour Lets")
    theirs = factories.lead(account=other)
    assert (heard(lead), heard(theirs)) == (1, 0)
    give(webhook, other)
    assert (heard(lead), heard(theirs)) == (0, 1)


def test_a_webhook_that_was_rolled_back_is_forgotten(lead):
    with pytest.raises(RuntimeError), unit():
        factories.webhook()
        lead.save()
        raise RuntimeError
    assert heard(lead) == 0
    with unit():
        with pytest.raises(RuntimeError), transaction.atomic():
            factories.webhook()
            factories.lead(email="somebody.else@example.com")
            raise RuntimeError
        lead.score += 1
        lead.save()
    assert not Delivery.objects.exists()


def test_a_webhook_hears_of_the_unit_that_made_it(lead):
    with unit():
        lead.score += 1
        lead.save()
        factories.webhook()
    assert Delivery.objects.count() == 1


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time.")
def test_a_webhook_that_is_made_during_a_save_hears_the_next_one(lead, monkeypatch):
    """What was read together with the record counts: the save began before the webhook was there."""
    assert heard(lead) == 0
    judged, made = Lead.check_rules, []

    def check_rules(before, after):
        judged(before, after)
        if not made:
            elsewhere(lambda: made.append(factories.webhook()))

    monkeypatch.setattr(Lead, "check_rules", check_rules)
    assert (heard(lead), len(made)) == (0, 1)
    assert heard(lead) == 1


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time.")
def test_a_webhook_that_is_stopped_during_a_save_hears_nothing_more(lead, monkeypatch):
    webhook = factories.webhook()
    assert heard(lead) == 1
    judged = Lead.check_rules

    def check_rules(before, after):
        judged(before, after)
        elsewhere(lambda: Webhook.objects.get(pk=webhook.pk).state == State.ENABLED and switch.disable(webhook.pk))

    monkeypatch.setattr(Lead, "check_rules", check_rules)
    assert heard(lead) == 0


def test_other_records_are_heard_of_in_the_same_way(lead):
    account = lead.account
    company = Company.objects.create(account=account, name="Hartley Design")
    person = User.objects.create(username="dana", first_name="Dana")
    Membership.objects.create(user=person, account=account)
    elsewhere(lambda: factories.webhook(dialect="standard", events=["account.updated", "user.updated"]))
    company.name = "Hartley"
    company.save()
    person.last_name = "Moss"
    person.save()
    sent = list(Delivery.objects.order_by("pk").values_list("sent_as", flat=True))
    assert sent == ["account.updated", "user.updated"]


@pytest.mark.parametrize("kind", [Lead, Product])
def test_a_save_does_not_ask_who_listens(kind):
    webhook = factories.webhook(dialect="standard", events=["lead.updated", "product.updated"])
    values = {"full_name": "Jane Smith"} if kind is Lead else {"name": "Survey"}
    record = kind.objects.create(account=webhook.account, **values)
    for number in range(2):
        setattr(record, next(iter(values)), f"Number {number}")
        with CaptureQueriesContext(connection) as captured:
            record.save()
    assert Delivery.objects.count() == 2
    asked = [sql for query in captured if (sql := query["sql"].strip()).startswith("SELECT")]
    assert not [sql for sql in asked if "FROM webhooks_" in sql.replace('"', "") or 'FROM "leads_account"' in sql]


def test_pausing_and_resuming_change_nothing_of_who_listens(lead):
    webhook = factories.webhook()
    token = Account.objects.get(pk=lead.account_id).setup_token
    switch.pause(webhook.pk)
    assert heard(lead) == 1
    switch.resume(webhook.pk)
    assert heard(lead) == 1
    lead.account.refresh_from_db()
    assert lead.account.setup_token == token, "the engine does so by itself, and waits for nobody's account"


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time.")
@pytest.mark.parametrize("turn, statuses", [(switch.disable, set()), (switch.pause, {"held"})])
def test_a_save_that_waits_for_a_switch_heeds_it(lead, turn, statuses):
    webhook = factories.webhook(dialect="standard")
    assert heard(lead) > 0
    events, deliveries = Event.objects.latest("pk").pk, Delivery.objects.latest("pk").pk
    lead.score = 99
    saving = threading.Thread(target=lambda: (lead.save(), connections.close_all()))
    with transaction.atomic():
        turn(webhook.pk)
        saving.start()
        limit = time.monotonic() + 10
        while not waiting():
            assert saving.is_alive() and time.monotonic() < limit
            time.sleep(0.01)
    saving.join()
    told = set(Event.objects.filter(pk__gt=events).values_list("pk", flat=True))
    added = Delivery.objects.filter(pk__gt=deliveries)
    assert len(told) > 1 and set(added.values_list("status", flat=True)) == statuses
    assert set(added.values_list("event_id", flat=True)) == (told if statuses else set())


def waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        return cursor.fetchone()[0]
