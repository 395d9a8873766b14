"""The page of one delivery: how it stands, its tries, the bytes, and who may see them."""

from __future__ import annotations

import html
import re
import shlex
import subprocess
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from leads.admin.display import absolute
from tests import factories
from tests.admin import deliveries
from tests.admin.page import Page
from webhooks.models import Attempt, Delivery, Health, Outcome, Status
from webhooks.outbound import switch


@pytest.fixture
def webhook(crm):
    return factories.webhook("https://hooks.example.com/in")


@pytest.fixture
def delivery(crm, webhook):
    return deliveries.made(crm.leeds, webhook)


def address(delivery, view="change"):
    return reverse(f"admin:webhooks_delivery_{view}", args=[delivery.pk])


@pytest.fixture
def show(crm, sign_in):
    def show(delivery, user=None, query=""):
        response = sign_in(user or crm.manager).get(f"{address(delivery)}?{query}")
        assert response.status_code == 200
        return response

    return show


def text(response):
    return Page(response).text


def test_what_was_sent_and_received(show, delivery):
    deliveries.failed(delivery)
    response = show(delivery)
    said = text(response)
    assert "lead.created to LeadPro production" in said
    assert "The receiver answered 500, 3 times. No more tries are planned." in said
    assert "POST https://hooks.example.com/in" in said
    assert "Bearer aaa.bbb.ccc" in said
    assert "X-Api-Key ••••••" in said
    assert f"Body, {len(deliveries.BODY)} bytes" in said
    assert "500 Internal Server Error" in said
    assert delivery.message_id in said
    assert "3 of 3" in said


def test_a_try_is_picked_by_its_number(show, delivery):
    deliveries.tried(delivery, 1, 404)
    deliveries.tried(delivery, 2, 503)
    deliveries.put(delivery, Status.FAILURE, tries=2, code=503)
    assert show(delivery).context["chosen"].attempt.code == 503
    assert show(delivery, query="try=1").context["chosen"].attempt.code == 404
    assert show(delivery, query="try=nonsense").context["chosen"].attempt.code == 503


def test_bytes_are_text_and_never_markup(show, crm, webhook):
    delivery = deliveries.made(crm.leeds, webhook, first_name="<i>Eve</i>", last_name="<script>x</script>")
    deliveries.failed(delivery)
    page = show(delivery).content.decode()
    assert deliveries.HTML not in page
    assert '<script>alert("answer")' not in page
    assert html.escape(deliveries.HTML) in page
    assert "<b>Hartley</b>" not in page
    assert "<i>Eve</i>" not in page
    assert "<script>x" not in page


def test_curl_sends_the_same_and_keeps_secrets_out(show, delivery, tmp_path):
    deliveries.failed(delivery)
    curl = show(delivery).context["sent"].curl
    assert "verysecret" not in curl
    assert '"${X_API_KEY}"' in curl
    # A shell takes it apart as it was meant.
    words = shlex.split(curl.replace('"${X_API_KEY}"', "$X_API_KEY"))
    assert words[:4] == ["curl", "-X", "POST", "https://hooks.example.com/in"]
    assert "Authorization: Bearer aaa.bbb.ccc" in words
    assert words[-2:] == ["--data-raw", deliveries.BODY.decode()]
    script = curl.replace("curl", "printf '%s\\n'", 1)
    said = subprocess.run(
        ["sh", "-c", script], env={"X_API_KEY": "s3"}, capture_output=True, text=True, check=True
    ).stdout
    assert "X-Api-Key: s3" in said


@pytest.mark.parametrize("who", ["staff", "auditor"])
def test_without_the_right_no_payload_is_shown(show, crm, delivery, who):
    deliveries.failed(delivery)
    page = show(delivery, user=getattr(crm, who))
    raw = page.content.decode()
    assert "You may not view payloads." in text(page)
    # The token's claims are the body, and an answer may repeat it.
    for secret in ("aaa.bbb.ccc", "https://hooks.example.com/in", "alert(", "full_name", "07123456789"):
        assert secret not in raw, secret
    assert "500 Internal Server Error" in raw
    assert not LogEntry.objects.filter(object_id=str(delivery.pk)).exists()


def test_who_viewed_a_payload_is_noted_once_an_hour(show, crm, delivery):
    deliveries.failed(delivery)
    for _ in range(3):
        show(delivery)
    show(delivery, user=crm.superuser)
    notes = LogEntry.objects.filter(object_id=str(delivery.pk), change_message="Payload viewed.")
    assert sorted(note.user_id for note in notes) == sorted([crm.manager.pk, crm.superuser.pk])
    notes.filter(user=crm.manager).update(action_time=timezone.now() - timedelta(hours=2))
    show(delivery)
    assert notes.filter(user=crm.manager).count() == 2


@pytest.mark.parametrize("who", ["staff_b", "other_manager"])
def test_another_office_or_account_finds_nothing(crm, sign_in, delivery, who):
    client = sign_in(getattr(crm, who))
    missing = reverse("admin:webhooks_delivery_change", args=[999999])
    assert client.get(address(delivery)).status_code == client.get(missing).status_code == 404
    assert client.get(address(delivery, "show")).status_code == 404


def test_odd_numbers_find_nothing(crm, sign_in):
    client = sign_in(crm.manager)
    for odd in ("x", "１", "9" * 40, "1%00"):
        assert client.get(f"/admin/webhooks/delivery/{odd}/change/").status_code == 404, odd


def test_what_it_waits_for_beside_its_own_time(show, crm, webhook, delivery):
    def says(delivery):
        alert = re.search(r'<div class="lc-alert[^"]* lc-standing".*?</p>', show(delivery).content.decode(), re.S)
        return " ".join(re.sub("<[^>]+>", "", alert[0]).split())

    Delivery.objects.filter(pk=delivery.pk).update(order_key="lead/1")
    later = deliveries.made(crm.leeds, webhook)
    assert says(later) == "In Queue: due now."
    Delivery.objects.filter(pk=later.pk).update(order_key="lead/1")
    assert says(later) == "In Queue: due now. Order is kept: an older delivery of the same record goes first."
    assert says(delivery) == "In Queue: due now."
    until = timezone.now() + timedelta(seconds=40)
    Health.objects.create(webhook=webhook, failures=9, closed_until=until)
    assert says(later) == f"In Queue: due now. Nothing is sent to LeadPro production before {absolute(until)}."
    switch.pause_by_policy(webhook.pk, "The receiver answered 410 Gone: it wants nothing more.", delivery.pk)
    assert says(later) == (
        "Held, because LeadPro production is paused. The receiver answered 410 Gone: it wants nothing more. "
        "It is sent when the webhook is resumed."
    )


def test_how_it_stands(show, crm, webhook, delivery):
    said = {}

    def stands(name, delivery):
        alert = re.search(r'<div class="lc-alert[^"]* lc-standing".*?</p>', show(delivery).content.decode(), re.S)
        said[name] = " ".join(re.sub("<[^>]+>", "", alert[0]).split())

    stands("new", delivery)
    soon = timezone.now() + timedelta(seconds=48.9)
    deliveries.tried(delivery, 1, 500)
    stands("waiting", deliveries.put(delivery, Status.QUEUED, tries=1, due_at=soon))
    stands("sending", deliveries.put(delivery, Status.SENDING))
    Attempt.objects.all().delete()
    lost = {"delivery": delivery, "number": 0, "started_at": timezone.now()}
    Attempt.objects.create(**lost, outcome=Outcome.INTERRUPTED, failure="interrupted", error="interrupted. Stopped.")
    stands("interrupted", deliveries.put(delivery, Status.QUEUED, due_at=timezone.now()))
    Attempt.objects.create(**lost, outcome=Outcome.LOST, error="The worker ended.")
    stands("lost", delivery)
    stands("worker lost", deliveries.put(delivery, Status.FAILURE, error="worker lost"))
    late = lost | {"number": 3, "outcome": Outcome.FAILED, "url": "https://hooks.example.com/in"}
    Attempt.objects.create(**late, failure="timeout", error="timed out. No answer was received within 15 s.")
    stands("timeout", deliveries.put(delivery, Status.FAILURE, tries=3, error="timed out."))
    blocked = "address not allowed. Webhooks may not call hooks.example.com. Check the host in Webhook URL."
    Attempt.objects.create(**late, failure="blocked_address", error=blocked)
    stands("blocked", delivery)
    stands("success", deliveries.put(delivery, Status.SUCCESS, tries=2, code=200))
    stands("cancelled", deliveries.put(delivery, Status.CANCELLED))
    switch.pause(webhook.pk)
    stands("held", deliveries.put(delivery, Status.HELD))
    switch.disable(webhook.pk)
    stands("disabled", Delivery.objects.get(pk=delivery.pk))
    switch.delete(webhook.pk)
    stands("deleted", delivery)
    assert said == {
        "new": "In Queue: due now.",
        "waiting": "In Queue: next try in 48 s. The receiver answered 500 to try 1.",
        "sending": "Sending now. The receiver answered 500 to try 1.",
        "interrupted": "In Queue: due now. The last try was interrupted when the worker stopped. It used no try; "
        "the same bytes go out again.",
        "lost": "In Queue: due now. Whether the last request left is not known. The same bytes go out again, under the "
        "same webhook-id.",
        "worker lost": "Worker lost. No more tries are planned.",
        "timeout": "Timed out. No answer was received within 15 s. No more tries are planned. Replay when the receiver "
        "works again.",
        "blocked": "Address not allowed. Webhooks may not call hooks.example.com. Check the host in Webhook URL. "
        "Nothing was sent.",
        "success": "The receiver answered 200 on try 2.",
        "cancelled": "Cancelled. It is not sent; it can be replayed.",
        "held": "Held, because LeadPro production is paused. It is sent when the webhook is resumed.",
        "disabled": "Cancelled. LeadPro production is disabled. Enable the webhook to replay it.",
        "deleted": "Cancelled, because LeadPro production was deleted. It cannot be sent any more.",
    }


def test_a_receiver_that_wants_nothing_more(show, crm, webhook, delivery, sign_in):
    def says():
        response = show(delivery)
        assert "lc-request-line bad" in response.content.decode()
        assert [each.tone for each in response.context["tries"]] == ["failure", "failure"]
        return text(response)

    reason = "The receiver answered webhook-delivery: disable: it wants nothing more."
    deliveries.tried(delivery, 1, 404)
    last = deliveries.tried(delivery, 2, 200)
    Attempt.objects.filter(pk=last.pk).update(response_headers='[["Webhook-Delivery", "disable"]]')
    deliveries.put(delivery, Status.FAILURE, tries=2, code=200, error=reason)
    switch.pause_by_policy(webhook.pk, reason, delivery.pk)
    after = "LeadPro production is paused until somebody resumes it. Replay this delivery after that."
    assert f"{reason} {after}" in says()
    switch.resume(webhook.pk)
    assert f"{reason} No more tries are planned. Replay when the receiver works again." in says()
    switch.disable(webhook.pk)
    assert f"{reason} LeadPro production is disabled. Enable it, then replay this delivery." in says()
    listed = sign_in(crm.manager).get(reverse("admin:webhooks_delivery_changelist")).content.decode()
    assert '<code class="lc-code bad">200</code>' in listed
    deliveries.put(delivery, Status.SUCCESS)
    assert "lc-request-line good" in show(delivery).content.decode()


def test_a_2xx_that_is_no_success_says_why(show, delivery):
    deliveries.failed(delivery, code=204)
    deliveries.put(delivery, Status.FAILURE, error="204 No Content. LeadSquared takes 200 alone for success.")
    said = text(show(delivery))
    assert "The receiver answered 204, 3 times. LeadSquared takes 200 alone for success. No more tries" in said
    deliveries.put(delivery, Status.QUEUED)
    assert "lc-request-line bad" in show(delivery).content.decode()


def test_a_failure_whose_replay_has_succeeded_asks_for_none(show, crm, delivery, sign_in):
    deliveries.failed(delivery)
    sign_in(crm.manager).post(address(delivery, "replay"), {"_form_submitted": "on"})
    replayed = Delivery.objects.get(replay_of=delivery)
    assert "Replay when the receiver works again." in text(show(delivery))
    deliveries.failed(replayed)
    assert "Replay when the receiver works again." in text(show(delivery))
    deliveries.put(replayed, Status.SUCCESS, code=200)
    page = show(delivery)
    assert "The receiver answered 500, 3 times. A replay has succeeded." in text(page)
    assert "Replay when" not in text(page)
    assert f'<a href="{address(replayed)}">A replay</a>' in page.content.decode()


def test_relatives_are_linked(show, crm, webhook):
    warehouse = factories.webhook("https://hooks.example.com/two", name="Warehouse")
    delivery = deliveries.made(crm.leeds, webhook)
    other = Delivery.objects.get(event=delivery.event_id, webhook=warehouse)
    links = Page(show(delivery)).links
    assert address(other) in links
    assert reverse("admin:webhooks_webhook_change", args=[webhook.pk]) in links
    assert reverse("admin:leads_lead_change", args=[delivery.event.record_id]) in links
    # Staff see no webhooks.
    assert reverse("admin:webhooks_webhook_change", args=[webhook.pk]) not in Page(show(delivery, user=crm.staff)).links


def test_scaled_waits_are_told(show, delivery, settings):
    assert "scaled" not in text(show(delivery))
    settings.WEBHOOK_RETRY_SCALE = 0.05
    assert "Waits between tries are scaled by 0.05" in text(show(delivery))


# Actions


def later(delivery):
    return deliveries.put(delivery, Status.QUEUED, due_at=timezone.now() + timedelta(hours=1))


def test_try_now(crm, sign_in, delivery):
    later(delivery)
    client = sign_in(crm.manager)
    assert client.get(address(delivery, "try_now")).status_code == 405
    assert client.post(address(delivery, "try_now")).status_code == 302
    delivery.refresh_from_db()
    assert delivery.due_at <= timezone.now()


def test_cancel(crm, sign_in, delivery):
    client = sign_in(crm.manager)
    asked = client.get(address(delivery, "cancel"))
    assert "It is not sent; it can be replayed." in text(asked)
    delivery.refresh_from_db()
    assert delivery.status == Status.QUEUED
    client.post(address(delivery, "cancel"), {"_form_submitted": "on"})
    delivery.refresh_from_db()
    assert delivery.status == Status.CANCELLED


def test_a_sending_one_cannot_be_cancelled(crm, sign_in, delivery):
    deliveries.put(delivery, Status.SENDING)
    sign_in(crm.manager).post(address(delivery, "cancel"), {"_form_submitted": "on"})
    delivery.refresh_from_db()
    assert delivery.status == Status.SENDING


@pytest.mark.parametrize("view", ["try_now", "cancel", "replay"])
def test_each_action_asks_for_the_right_and_the_scope(crm, sign_in, delivery, view):
    later(delivery) if view != "replay" else deliveries.failed(delivery)
    before = Delivery.objects.values().get(pk=delivery.pk)
    posted = {"_form_submitted": "on"}
    for user in (crm.staff, crm.auditor, crm.viewer, crm.powerless):
        assert sign_in(user).post(address(delivery, view), posted).status_code == 403, user
    for user in (crm.other_manager,):
        assert sign_in(user).post(address(delivery, view), posted).status_code == 404, user
    assert Delivery.objects.values().get(pk=delivery.pk) == before
    assert Delivery.objects.count() == 1
