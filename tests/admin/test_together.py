"""Deliveries that are sent together, as staff see them: each a row of its own, one post, and one answer."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from leads.models import Activity, ActivityType
from tests import factories
from tests.admin import deliveries
from tests.admin.page import Page
from tests.admin.webhook_form import filled, url
from webhooks.models import Delivery, Status
from webhooks.outbound import gather

LIST = reverse("admin:webhooks_delivery_changelist")


@pytest.fixture
def manager(crm: Any, sign_in: Any) -> Any:
    return sign_in(crm.manager)


@pytest.fixture
def webhook(crm: Any) -> Any:
    return factories.webhook(
        "https://hooks.example.com/in", dialect="leadsquared", events=["LeadActivity_Post_Create"], name="Activities"
    )


@pytest.fixture
def rows(crm: Any, webhook: Any) -> list[Delivery]:
    """Three that wait for their minute to end."""
    lead = factories.lead(account=crm.account, office=crm.leeds)
    kind = ActivityType.objects.filter(account=crm.account, kind="lead")[0]
    Activity.objects.bulk_create([Activity(account=crm.account, lead=lead, type=kind) for _ in range(3)])
    return list(Delivery.objects.order_by("pk"))


@pytest.fixture
def post(webhook: Any, rows: list[Delivery]) -> list[Delivery]:
    """The same, a minute later."""
    Delivery.objects.update(due_at=F("due_at") - timedelta(minutes=1))
    gather.gather(webhook.pk)
    return list(Delivery.objects.order_by("pk"))


def address(delivery: Delivery, view: str = "change") -> str:
    return reverse(f"admin:webhooks_delivery_{view}", args=[delivery.pk])


def text(response: Any) -> str:
    assert response.status_code == 200
    return Page(response).text


def settled(post: list[Delivery], status: Status = Status.SUCCESS, code: int = 200) -> None:
    deliveries.tried(post[0], 1, code)
    for each in post:
        deliveries.put(each, status, tries=1, code=code)


def test_one_that_waits_says_for_what_and_until_when(manager: Any, rows: list[Delivery]) -> None:
    said = text(manager.get(address(rows[1])))
    assert "Grouped" in said and re.search(r"In Queue: it is sent in \d+ s at the latest\.", said)
    assert "All LeadActivity_Post_Create of one minute are sent together." in said
    assert "Try now" not in said and "Sent together with" not in said
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert "In Queue: it is sent in a moment." in text(manager.get(address(rows[1])))


def test_those_that_wait_are_in_queue(manager: Any, rows: list[Delivery]) -> None:
    page = manager.get(f"{LIST}?status=queued")
    assert [each.pk for each in page.context["cl"].result_list] == [row.pk for row in reversed(rows)]
    assert [view["count"] for view in page.context["views"] if view["title"] == "In Queue"] == ["3"]
    assert not manager.get(f"{LIST}?status=held").context["cl"].result_list


@pytest.mark.parametrize("number", [0, 2])
def test_each_shows_the_tries_and_the_body_of_all(manager: Any, post: list[Delivery], number: int) -> None:
    assert "In Queue: due now." in text(manager.get(address(post[number])))
    settled(post)
    response = manager.get(address(post[number]))
    said = text(response)
    assert "The receiver answered 200 at once." in said
    assert "Sent together with 2 others" in said
    assert "Details Record" in said, "What it is about is no lead."
    assert len(json.loads(response.context["sent"].body.raw)) == 3
    links = {each.pk for each in response.context["together"].some}
    assert links == {row.pk for row in post} - {post[number].pk}
    assert all(address(Delivery.objects.get(pk=pk)) in response.content.decode() for pk in links)
    assert post[0].message_id in said


def test_the_list_marks_them_and_shows_how_they_ended(manager: Any, post: list[Delivery]) -> None:
    settled(post, Status.FAILURE, 500)
    page = manager.get(LIST)
    assert page.content.decode().count('title="Sent together with 2 others"') == 3
    assert [each.status for each in page.context["cl"].result_list] == ["failure"] * 3
    assert len(manager.get(f"{LIST}?together={post[0].pk}").context["cl"].result_list) == 3
    assert not manager.get(f"{LIST}?together={post[1].pk}").context["cl"].result_list


def test_one_alone_is_not_marked(manager: Any, webhook: Any, rows: list[Delivery]) -> None:
    Delivery.objects.exclude(pk=rows[0].pk).update(status="cancelled")
    Delivery.objects.update(due_at=F("due_at") - timedelta(minutes=1))
    gather.gather(webhook.pk)
    assert "Sent together" not in text(manager.get(address(rows[0])))


def test_before_it_is_gathered_one_is_cancelled_alone(manager: Any, rows: list[Delivery]) -> None:
    assert "It is not sent; it can be replayed." in text(manager.get(address(rows[1], "cancel")))
    manager.post(address(rows[1], "cancel"), {"_form_submitted": "on"})
    assert [row.status for row in Delivery.objects.order_by("pk")] == ["grouped", "cancelled", "grouped"]


def test_afterwards_all_are_cancelled_and_staff_are_told(manager: Any, post: list[Delivery]) -> None:
    said = text(manager.get(address(post[1], "cancel")))
    assert "It would be sent together with 2 others: all of them are cancelled." in said
    selected = f"{reverse('admin:webhooks_delivery_cancel_selected')}?ids={post[1].pk},{post[2].pk}"
    said = text(manager.get(selected))
    assert "Cancel 3 waiting deliveries?" in said and "1 of them was not selected." in said
    response = manager.post(selected, follow=True)
    assert "3 deliveries cancelled." in text(response)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"cancelled"}


def test_what_is_being_sent_cannot_be_cancelled_by_any_of_them(manager: Any, post: list[Delivery]) -> None:
    Delivery.objects.filter(pk=post[0].pk).update(status="sending")
    page = manager.get(address(post[1]))
    assert "Sending now." in text(page)
    assert "It does not wait any more." in text(manager.get(address(post[1], "cancel")))
    selected = f"{reverse('admin:webhooks_delivery_cancel_selected')}?ids={post[0].pk},{post[1].pk}"
    said = text(manager.get(selected))
    assert "Nothing to cancel" in said and "2 deliveries are being sent now." in said


def test_any_of_them_is_tried_now_for_all(manager: Any, post: list[Delivery]) -> None:
    Delivery.objects.update(due_at=timezone.now() + timedelta(hours=1))
    assert "Try now" in text(manager.get(address(post[2])))
    manager.post(reverse("admin:webhooks_delivery_try_now", args=[post[2].pk]))
    post[0].refresh_from_db()
    assert post[0].due_at <= timezone.now()


def test_a_replay_of_one_is_one_of_all(manager: Any, post: list[Delivery]) -> None:
    settled(post)
    assert "It was sent together with 2 others: all of them are sent again, as one." in text(
        manager.get(address(post[2], "replay"))
    )
    manager.post(address(post[2], "replay"), {"_form_submitted": "on"})
    again = Delivery.objects.latest("pk")
    assert (again.replay_of_id, again.message_id) == (post[0].pk, post[0].message_id)
    said = text(manager.get(address(again)))
    assert "All that it sent" in said and '"ProspectActivityId"' in said
    assert "It still waits, and is sent anyway." in text(manager.get(address(again, "replay")))


def test_the_preview_says_that_it_is_grouped(manager: Any, rows: list[Delivery]) -> None:
    webhook = rows[0].webhook
    response = manager.post(url("preview", webhook.pk), filled(manager, url("change", webhook.pk)))
    said = text(response)
    assert "All of one minute are sent together; here it is alone." in said
    assert "webhook-record" not in said
    assert re.search(r"\[\{&quot;ProspectActivityId&quot;:&quot;\d+&quot;[^\]]*\}\]", response.content.decode())
