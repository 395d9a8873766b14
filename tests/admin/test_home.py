"""Home's figures, from real rows."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from leadcrm import figures
from leads import roles
from leads.models import Lead, User
from tests import factories
from tests.admin import people
from webhooks import queue
from webhooks.models import Cause, Delivery, Health, Issue, Notice, State, Status, Webhook
from webhooks.outbound import notify, switch
from webhooks.outbound.selection import Selection

pytestmark = pytest.mark.django_db

GONE = "The receiver answered 410 Gone: it wants nothing more."


def deliver(webhook: Webhook, status: str, *, hours: float = 0, **values: Any) -> Delivery:
    """A delivery of no event, made so many hours ago."""
    made = timezone.now() - timedelta(hours=hours)
    number = Delivery.objects.count()
    if status in (Status.SUCCESS, Status.FAILURE):
        values.setdefault("finished_at", made)
        values.setdefault("transmitted_at", made)
    return Delivery.objects.create(
        **{
            "account": webhook.account,
            "webhook": webhook,
            "webhook_name": webhook.name,
            "dialect": webhook.dialect,
            "sent_as": "lead.updated",
            "message_id": f"msg_{number:026}",
            "status": status,
            "created_at": made,
        }
        | values
    )


def home(user: User, period: str = "") -> dict[str, Any]:
    response = people.browser(user).get("/admin/", {"period": period} if period else {})
    assert response.status_code == 200
    return (
        {"text": response.content.decode()}
        | {key: response.context[key] for key in ("alerts", "webhooks")}
        | {figure.title: figure for figure in response.context["figures"]}
    )


def created(when: datetime, **values: Any) -> Lead:
    lead = factories.lead(**values)
    Lead.plain("default").filter(pk=lead.pk).update(created_at=when)
    return lead


def test_leads_of_today_stand_against_the_same_weekday() -> None:
    now = timezone.now()
    for ago in (timedelta(), timedelta(), timedelta(days=1), timedelta(days=7), timedelta(days=14)):
        created(now - ago)
    figure = home(people.manager())["Leads today"]
    assert figure.value == "2"
    assert figure.note == f"1 more than last {now:%A} by this time"
    assert people.browser(people.superuser()).get(figure.link).context["cl"].result_count == 2


def test_the_success_rate_leaves_out_tests_and_what_has_not_ended() -> None:
    webhook = factories.webhook()
    for status in (Status.SUCCESS, Status.SUCCESS, Status.FAILURE, Status.CANCELLED, Status.HELD, Status.QUEUED):
        deliver(webhook, status)
    deliver(webhook, Status.FAILURE, test=True)
    shown = home(people.manager())
    assert (shown["Success rate"].value, shown["Success rate"].note) == ("66.7 %", "of 3 deliveries")
    assert shown["Failures"].value == "1"
    assert shown["In Queue"].value == "1"
    assert shown["webhooks"][0].rate == "66.7 %"


@pytest.mark.parametrize(("period", "failures"), [("", "1"), ("24h", "1"), ("7d", "2"), ("30d", "3"), ("no", "1")])
def test_the_period_is_chosen(period: str, failures: str) -> None:
    webhook = factories.webhook()
    for hours in (1, 100, 600, 800):
        deliver(webhook, Status.FAILURE, hours=hours)
    shown = home(people.manager(), period)
    assert shown["Failures"].value == failures
    assert shown["Success rate"].note == f"of {failures} deliver{'y' if failures == '1' else 'ies'}"


def test_a_figure_leads_to_its_list() -> None:
    shown, client = home(people.manager()), people.browser(people.superuser())
    for title in ("Leads today", "Success rate", "In Queue", "Failures"):
        assert client.get(shown[title].link).status_code == 200, title


def test_the_queue_says_how_old_its_oldest_is() -> None:
    webhook = factories.webhook()
    deliver(webhook, Status.SENDING, hours=2)
    deliver(webhook, Status.QUEUED, hours=1)
    queue_ = home(people.manager())["In Queue"]
    assert queue_.value == "2"
    assert timedelta(hours=1.9) < timezone.now() - queue_.since < timedelta(hours=2.1)


def test_nothing_sent_is_no_rate_and_not_zero() -> None:
    shown = home(people.manager())
    assert (shown["Success rate"].value, shown["Success rate"].note) == ("–", "Nothing was sent")
    assert "No webhooks yet" in shown["text"]
    assert "No leads yet" in shown["text"]
    assert "Add webhook" in shown["text"]


def test_a_failing_webhook_is_told_first() -> None:
    paused = factories.webhook(name="LeadSquared", state=State.PAUSED)
    failing = factories.webhook()
    deliver(failing, Status.FAILURE, hours=9, code=404)
    deliver(failing, Status.SUCCESS, hours=5)
    deliver(failing, Status.FAILURE, hours=2.5, code=500)
    deliver(failing, Status.FAILURE, hours=1, code=500)
    deliver(paused, Status.HELD)
    first, second = home(people.manager())["alerts"]
    assert first.lead == "LeadPro production has been failing for 2 hours."
    assert first.text == "500 Internal Server Error, 2 deliveries."
    assert [text for text, _ in first.links] == ["View failures", "View causes", "Open webhook"]
    assert second.lead.startswith("LeadSquared has been paused for ")
    assert second.text == "1 delivery is held, and so are new ones."
    client = people.browser(people.superuser())
    for _, address in (*first.links, *second.links):
        assert client.get(address).status_code == 200


def test_a_receiver_that_fails_every_try_is_told_before_any_delivery_is_given_up() -> None:
    now = timezone.now()
    webhook = factories.webhook()
    deliver(webhook, Status.QUEUED, tries=3)
    later = now + timedelta(minutes=40.5)
    Health.objects.create(webhook=webhook, failures=7, failing_since=now - timedelta(hours=2.5), closed_until=later)
    issue(webhook, Cause.DNS, hours=2, detail="name not found. hooks.example has no address.")
    issue(webhook, Cause.SERVER_ERROR, hours=1, detail="503 <b>Service</b> Unavailable")
    issue(webhook, Cause.TIMEOUT, hours=0, detail="timed out.", closed_at=now)
    shown = home(people.manager())
    (alert,) = shown["alerts"]
    assert alert.lead == "LeadPro production has been failing for 2 hours."
    said = (
        "503 <b>Service</b> Unavailable, 7 tries in a row. Nothing is sent meanwhile; the next try goes out in 40 min."
    )
    assert said in html.unescape(re.sub(r"</?time[^>]*>", "", shown["text"]))
    assert "<b>Service</b>" not in shown["text"]
    assert [text for text, _ in alert.links] == ["View waiting", "View causes", "Open webhook"]
    assert [row.state for row in shown["webhooks"]] == [("failing", "Failing")]


def test_a_webhook_that_paused_itself_says_why() -> None:
    webhook = factories.webhook()
    deliver(webhook, Status.QUEUED)
    switch.pause_by_policy(webhook.pk, GONE, deliver(webhook, Status.FAILURE, code=410).pk)
    (alert,) = home(people.manager())["alerts"]
    assert alert.lead.startswith("LeadPro production has been paused for ")
    assert alert.text == f"{GONE} 1 delivery is held, and so are new ones."


def issue(webhook: Webhook, cause: str, *, hours: float, **values: Any) -> Issue:
    at = timezone.now() - timedelta(hours=hours)
    given = {"account_id": webhook.account_id, "first_at": at, "last_at": at, "count": 3} | values
    return Issue.objects.create(webhook=webhook, cause=cause, **given)


def test_open_causes_are_counted_for_those_who_see_webhooks() -> None:
    webhook, other = factories.webhook(), factories.webhook(account=factories.account("Harbour Lettings"))
    manager = people.manager()
    assert (home(manager)["Open causes"].value, home(manager)["Open causes"].note) == ("0", "Nothing fails")
    for each in (webhook, other):
        issue(each, Cause.DNS, hours=1)
    issue(webhook, Cause.TLS, hours=1)
    issue(webhook, Cause.TIMEOUT, hours=1, closed_at=timezone.now())
    figure = home(manager)["Open causes"]
    assert figure.value == "2"
    assert len(people.browser(manager).get(figure.link).context["listed"].lines) == 2
    assert "Open causes" in home(people.person(roles.AUDITOR))
    assert "Open causes" not in home(people.person(roles.STAFF, factories.office()))


def test_notices_of_a_week_are_told_with_their_webhook_and_delivery() -> None:
    webhook, other = (
        factories.webhook(),
        factories.webhook(name="Theirs", account=factories.account("Harbour Lettings")),
    )
    delivery = deliver(webhook, Status.FAILURE, code=410)
    for number in range(7):
        notify.tell(webhook, f"Reason {number}.", delivery.pk)
    notify.tell(other, "Reason of others.", None)
    Notice.objects.filter(text="Reason 6.").update(created_at=timezone.now() - timedelta(days=8))
    manager = people.manager()
    text = home(manager)["text"]
    assert [number for number in range(7) if f"Reason {number}." in text] == [1, 2, 3, 4, 5]
    assert "Reason of others." not in text
    for view, pk in (("webhook", webhook.pk), ("delivery", delivery.pk)):
        assert f'href="/admin/webhooks/{view}/{pk}/change/"' in text
    switch.delete(webhook.pk)
    text = home(manager)["text"]
    assert "Reason 5." in text
    assert f"/admin/webhooks/webhook/{webhook.pk}/change/" not in text
    assert "Reason 5." in home(people.person(roles.AUDITOR))["text"]
    assert "Reason 5." not in home(people.person(roles.STAFF, factories.office()))["text"]


def test_a_webhook_that_succeeded_since_is_well() -> None:
    webhook = factories.webhook()
    deliver(webhook, Status.FAILURE, hours=2)
    deliver(webhook, Status.SUCCESS, hours=1)
    shown = home(people.manager())
    assert shown["alerts"] == []
    assert shown["webhooks"][0].figures.failing is None


def test_a_failing_webhook_is_enabled_all_the_same() -> None:
    webhook = factories.webhook()
    deliver(webhook, Status.FAILURE, hours=1, error="Name not found. hooks.example has no address. Check the host.")
    shown = home(people.manager())
    assert shown["alerts"][0].text == "Name not found, 1 delivery."
    assert "Enabled" in shown["text"]
    assert "Failing" not in shown["text"]


def test_a_failed_test_is_no_alarm() -> None:
    deliver(factories.webhook(), Status.FAILURE, test=True)
    assert home(people.manager())["alerts"] == []


def test_three_alerts_are_shown_and_the_others_counted() -> None:
    for number in range(5):
        factories.webhook(name=f"Receiver {number}", state=State.PAUSED)
    shown = home(people.manager())
    assert len(shown["alerts"]) == 3
    assert "2 more" in shown["text"]


def test_the_webhooks_of_another_account_are_nowhere() -> None:
    other = factories.account("Harbour Lettings")
    deliver(factories.webhook(name="Theirs", account=other, state=State.PAUSED), Status.FAILURE)
    factories.lead(account=other, first_name="Secret", last_name="Person")
    shown = home(people.manager())
    assert "Theirs" not in shown["text"]
    assert "Secret" not in shown["text"]
    assert shown["Failures"].value == "0"


def test_staff_see_the_figures_of_their_leads_and_no_webhook() -> None:
    leeds, york = factories.office("Leeds Central"), factories.office("York Minster Gate")
    factories.webhook()
    factories.lead(office=leeds, first_name="Mine")
    factories.lead(office=york, first_name="Others")
    Delivery.objects.update(status=Status.FAILURE, finished_at=timezone.now())
    shown = home(people.person(roles.STAFF, leeds))
    assert shown["Failures"].value == "1"
    assert shown["Success rate"].note == "of 1 delivery"
    assert "LeadPro production" not in shown["text"]
    assert "Mine Hartley" in shown["text"]
    assert "Others Hartley" not in shown["text"]
    assert shown["alerts"] == []


def test_without_rights_home_is_empty_and_works() -> None:
    shown = home(people.person(""))
    assert set(shown) == {"text", "alerts", "webhooks"}
    assert "Latest leads" not in shown["text"]


def test_the_latest_six_leads_are_shown() -> None:
    now = timezone.now()
    for number in range(7):
        created(now - timedelta(minutes=number), first_name=f"Number{number}")
    text = home(people.manager())["text"]
    assert [number for number in range(7) if f"Number{number} " in text] == [0, 1, 2, 3, 4, 5]


def test_a_name_with_a_tag_is_text() -> None:
    factories.lead(first_name="<script>alert(1)</script>", last_name="B")
    assert "<script>alert" not in home(people.manager())["text"]


def test_no_worker_is_told() -> None:
    manager = people.manager()
    assert "No worker is running." in home(manager)["text"]
    queue.beat(60)
    assert "No worker is running." not in home(manager)["text"]


def test_late_deliveries_are_told() -> None:
    queue.beat(60)
    deliver(factories.webhook(), Status.QUEUED, due_at=timezone.now() - timedelta(minutes=5))
    assert "Deliveries are late." in home(people.manager())["text"]
    assert "waiting for 5 min" in home(people.manager(name="second"))["text"]


def test_a_figure_that_cannot_be_had_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise DatabaseError("statement timeout")

    manager = people.manager()
    monkeypatch.setattr(Selection, "deliveries", refuse)
    monkeypatch.setattr(figures.standing, "standings", refuse)
    shown = home(manager)
    assert [shown[title].value for title in ("Success rate", "In Queue", "Failures")] == ["unknown"] * 3
    assert "The figures could not be read." in shown["text"]


def test_counts_stop_at_their_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "SAMPLE", 3)
    webhook = factories.webhook()
    for _ in range(4):
        deliver(webhook, Status.FAILURE)
        deliver(webhook, Status.QUEUED)
    shown = home(people.manager())
    assert shown["Failures"].value == "3+"
    assert shown["In Queue"].value == "3+"
    assert shown["Success rate"].note.startswith("of the latest ")


def test_none_of_ones_own_among_too_many_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "SAMPLE", 3)
    other = factories.webhook(account=factories.account("Harbour Lettings"))
    for _ in range(4):
        deliver(other, Status.FAILURE)
    assert home(people.manager())["Failures"].value == "unknown"


def test_home_costs_the_same_for_many_deliveries(django_assert_max_num_queries: Any) -> None:
    webhook, client = factories.webhook(), people.browser(people.manager())
    for _ in range(30):
        deliver(webhook, Status.SUCCESS)
        factories.lead()
    with django_assert_max_num_queries(40):
        assert client.get("/admin/").status_code == 200


def test_a_stranger_is_sent_to_the_sign_in_page() -> None:
    assert Client().get("/admin/").status_code == 302
