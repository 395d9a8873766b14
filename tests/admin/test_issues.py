"""Failures by cause: beside the history, and on the webhook's page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests import factories
from tests.admin import deliveries
from tests.admin.page import Page
from tests.admin.webhook_form import url
from webhooks.admin import issues
from webhooks.models import Cause, Delivery, Issue, Status, Webhook
from webhooks.outbound.issues import cause
from webhooks.wire.exchange import Failure, FailureKind

LIST = "/admin/webhooks/delivery/causes/"


@pytest.fixture
def webhook(crm: Any) -> Webhook:
    return factories.webhook(account=crm.account)


@pytest.fixture
def manager(crm: Any, sign_in: Any) -> Client:
    return sign_in(crm.manager)


def issue(webhook: Webhook, cause: str = Cause.SERVER_ERROR, *, minutes: float = 1, **values: Any) -> Issue:
    last = timezone.now() - timedelta(minutes=minutes)
    given = {"account_id": webhook.account_id, "first_at": last - timedelta(hours=3), "last_at": last, "count": 1234}
    return Issue.objects.create(webhook=webhook, cause=cause, **(given | {"detail": "500 Oh no"} | values))


def listed(client: Client, **query: Any) -> list[int]:
    response = client.get(LIST, query)
    assert response.status_code == 200
    return [line.issue.pk for line in response.context["listed"].lines]


def test_a_line_says_all_there_is_to_know(manager, webhook):
    one = issue(webhook, minutes=5.5)
    page = Page(manager.get(LIST))
    assert "Open Answered 5xx LeadPro production 1,234 3 h ago 5 min ago 500 Oh no" in page.text
    assert url("change", webhook.pk) in page.links
    Issue.objects.filter(pk=one.pk).update(closed_at=timezone.now())
    assert "No open failures" in Page(manager.get(LIST)).text
    assert "Closed Answered 5xx LeadPro production 1,234" in Page(manager.get(LIST, {"every": "1"})).text


def test_the_latest_come_first_and_pages_have_no_numbers(manager, webhook, monkeypatch):
    monkeypatch.setattr(issues, "PER_PAGE", 2)
    ones = [issue(webhook, one, minutes=minute).pk for minute, one in enumerate(list(Cause)[:5])]
    response = manager.get(LIST)
    shown = [line.issue.pk for line in response.context["listed"].lines]
    while older := response.context["listed"].older:
        response = manager.get(older)
        shown += [line.issue.pk for line in response.context["listed"].lines]
    assert shown == ones


def test_one_webhook_alone_and_the_closed_ones_too(manager, webhook, crm):
    other = factories.webhook(account=crm.account, name="Other")
    mine, theirs = issue(webhook, minutes=1), issue(other, minutes=2)
    closed = issue(webhook, minutes=3, closed_at=timezone.now())
    assert listed(manager) == [mine.pk, theirs.pk]
    assert listed(manager, every="1") == [mine.pk, theirs.pk, closed.pk]
    assert listed(manager, webhook=webhook.pk) == [mine.pk]
    response = manager.get(LIST, {"webhook": webhook.pk})
    every = next(view["address"] for view in response.context["listed"].views if not view["active"])
    assert [line.issue.pk for line in manager.get(every).context["listed"].lines] == [mine.pk, closed.pk]
    for strange in ({"webhook": "x"}, {"before": "x"}, {"before": "9" * 30}, {"every": "x"}):
        assert manager.get(LIST, strange).status_code == 200


def test_it_stands_beside_the_views_of_the_history(manager, webhook):
    for one in (Cause.DNS, Cause.TLS):
        issue(webhook, one)
    issue(webhook, closed_at=timezone.now())
    history = manager.get(reverse("admin:webhooks_delivery_changelist"))
    assert history.context["views"][-1] == {
        "title": "Failures by cause",
        "address": LIST,
        "count": "2",
        "active": False,
    }
    here = manager.get(LIST).context["views"]
    assert [view["title"] for view in here if view["active"]] == ["Failures by cause"]


@pytest.mark.parametrize("who", ["staff", "viewer", "powerless"])
def test_who_does_not_see_webhooks_sees_no_issue(crm, sign_in, webhook, who):
    issue(webhook)
    client = sign_in(getattr(crm, who))
    assert client.get(LIST).status_code == 403
    if who == "staff":
        assert LIST not in client.get(reverse("admin:webhooks_delivery_changelist")).content.decode()


def test_auditors_see_their_accounts_and_others_none_of_it(crm, sign_in, webhook):
    one = issue(webhook)
    theirs = issue(factories.webhook(account=crm.other, name="Theirs"))
    assert listed(sign_in(crm.auditor)) == [one.pk]
    assert listed(sign_in(crm.other_manager)) == [theirs.pk]
    assert listed(sign_in(crm.superuser)) == [theirs.pk, one.pk]
    assert listed(sign_in(crm.other_manager), webhook=webhook.pk) == []
    assert "LeadPro production" not in Page(sign_in(crm.other_manager).get(LIST, {"webhook": webhook.pk})).text
    assert Client().get(LIST).status_code == 302


def answered(webhook: Webhook, crm: Any, code: int | None, error: str) -> Delivery:
    delivery = deliveries.made(crm.leeds, webhook)
    return deliveries.put(delivery, Status.FAILURE, tries=3, code=code, error=error)


def test_each_cause_leads_to_the_deliveries_behind_it(crm, manager, webhook):
    other = factories.webhook(account=crm.account, name="Other")
    behind: dict[int, int] = {}
    for kind in FailureKind:
        if kind is FailureKind.INTERRUPTED:
            continue
        one = cause(Failure(kind, kind.words))
        found = answered(webhook, crm, None, f"{kind.words}. Do something.")
        Delivery.objects.filter(webhook=other).update(status=Status.FAILURE, error=f"{kind.words}.", finished_at=None)
        if one == Cause.OTHER:
            continue
        row = issue(webhook, one, detail=f"{kind.words}. Do something.", closed_at=timezone.now())
        behind[row.pk] = found.pk
    for code, one in ((301, Cause.REDIRECT), (404, Cause.CLIENT_ERROR), (503, Cause.SERVER_ERROR)):
        behind[issue(webhook, one, detail=str(code)).pk] = answered(webhook, crm, code, "").pk
    lines = manager.get(LIST, {"every": "1", "webhook": webhook.pk}).context["listed"].lines
    assert {line.issue.pk for line in lines} == set(behind)
    for line in lines:
        shown = manager.get(line.deliveries)
        assert [row.pk for row in shown.context["cl"].result_list] == [behind[line.issue.pk]], line.deliveries


def test_what_has_no_filter_of_its_own_leads_to_all_failures(crm, manager, webhook):
    failure = answered(webhook, crm, 200, "200 is no success here")
    deliveries.succeeded(deliveries.made(crm.leeds, webhook))
    issue(webhook, Cause.OTHER, detail="200 is no success here")
    (line,) = manager.get(LIST).context["listed"].lines
    assert [row.pk for row in manager.get(line.deliveries).context["cl"].result_list] == [failure.pk]


def test_the_webhooks_page_has_its_open_ones_and_room_for_a_few_others(crm, manager, sign_in, webhook):
    assert "Failures by cause No try has failed." in Page(manager.get(url("change", webhook.pk))).text
    closed = [issue(webhook, minutes=minute, closed_at=timezone.now()).pk for minute in range(7)]
    opened = [issue(webhook, one, minutes=99).pk for one in (Cause.DNS, Cause.TIMEOUT)]
    issue(factories.webhook(account=crm.account, name="Other"), detail="of another")
    response = manager.get(url("change", webhook.pk))
    assert [line.issue.pk for line in response.context["issues"]] == [*reversed(opened), *closed[:3]]
    page = Page(response)
    assert "Timed out Open · 1,234 failed tries · first 4 h ago, last 1 h ago 500 Oh no" in page.text
    assert issues.address(webhook=webhook.pk, every=1) in page.links
    assert "of another" not in page.text
    assert "Timed out" in Page(sign_in(crm.auditor).get(url("change", webhook.pk))).text


def test_a_detail_with_a_tag_is_text(manager, webhook):
    issue(webhook, detail="500 <script>alert(1)</script>")
    for page in (LIST, url("change", webhook.pk), "/admin/"):
        assert "<script>alert" not in manager.get(page).content.decode()


def test_many_cost_as_many_statements_as_one(manager, webhook):
    issue(webhook)
    manager.get(LIST)
    with CaptureQueriesContext(connection) as one:
        manager.get(LIST)
    for number in range(20):
        issue(factories.webhook(account=webhook.account, name=f"W{number}"))
    with CaptureQueriesContext(connection) as many:
        manager.get(LIST)
    assert len(many) == len(one)
