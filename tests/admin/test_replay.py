"""Replay from the admin: counts that hold, and nothing that was not asked about."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests import factories
from tests.admin import deliveries
from tests.admin.page import Page
from webhooks.models import Delivery, Lane, Replay, Status
from webhooks.outbound import replay, switch

LIST = reverse("admin:webhooks_delivery_changelist")
ASK = reverse("admin:webhooks_delivery_replay_matching")


@pytest.fixture
def webhook(crm):
    return factories.webhook("https://hooks.example.com/in")


@pytest.fixture
def client(crm, sign_in):
    return sign_in(crm.manager)


def replays():
    return Delivery.objects.filter(replay_of__isnull=False).order_by("pk")


def ask(client, query=""):
    response = client.get(f"{ASK}?{query}")
    assert response.status_code == 200
    return response, {name: response.context[name] for name in ("through", "skip", "again")}


def test_the_selected_ones(crm, client, webhook):
    chosen = [deliveries.failed(deliveries.made(crm.leeds, webhook)) for _ in range(3)]
    deliveries.failed(deliveries.made(crm.leeds, webhook))
    response = client.post(
        LIST, {"action": "replay_selected", "_selected_action": [each.pk for each in chosen], "index": 0}
    )
    assert replays().count() == 0
    asked = client.get(response.url)
    assert "Replay 3 deliveries?" in Page(asked).text
    form = {"through": asked.context["through"], "skip": asked.context["skip"], "succeeded": "skip"}
    done = client.post(response.url, form, follow=True)
    assert "3 deliveries added. View" in Page(done).text
    added = list(replays())
    assert [each.replay_of_id for each in added] == [each.pk for each in chosen]
    assert [each.message_id for each in added] == [each.message_id for each in chosen]
    assert {(each.status, each.lane, each.tries) for each in added} == {(Status.QUEUED, Lane.BULK, 0)}
    # View shows these and no others.
    (view,) = [link for link in Page(done).links if "replays=" in link]
    shown = client.get(view)
    assert {each.pk for each in shown.context["cl"].result_list} == {each.pk for each in added}


def test_everything_that_matches_and_nothing_that_came_since(crm, client, webhook):
    matching = [deliveries.failed(deliveries.made(crm.leeds, webhook)) for _ in range(4)]
    deliveries.succeeded(deliveries.made(crm.leeds, webhook))
    asked, form = ask(client, "status=failure")
    assert "Status Failure." in Page(asked).text
    late = deliveries.failed(deliveries.made(crm.leeds, webhook))
    client.post(f"{ASK}?status=failure", form | {"succeeded": "skip"})
    assert {each.replay_of_id for each in replays()} == {each.pk for each in matching}
    assert late.pk not in {each.replay_of_id for each in replays()}


def test_counts_name_what_succeeded_is_paused_disabled_deleted_waits_or_is_a_test(crm, client, webhook):
    paused = factories.webhook("https://hooks.example.com/p", name="Paused partner")
    disabled = factories.webhook("https://hooks.example.com/d", name="Disabled partner")
    deleted = factories.webhook("https://hooks.example.com/x", name="Deleted partner")
    for _ in range(2):
        for each in Delivery.objects.filter(event=deliveries.made(crm.leeds, webhook).event_id):
            deliveries.failed(each)
    deliveries.succeeded(Delivery.objects.filter(webhook=webhook).first())
    switch.pause(paused.pk)
    switch.disable(disabled.pk)
    switch.delete(deleted.pk)
    deliveries.put(deliveries.made(crm.leeds, webhook), Status.QUEUED)
    Delivery.objects.filter(status=Status.HELD).update(status=Status.CANCELLED)
    Delivery.objects.create(
        account=crm.account,
        webhook=webhook,
        webhook_name="x",
        dialect="leadpro",
        sent_as="lead.updated",
        message_id="msg_t_1",
        test=True,
        status=Status.FAILURE,
    )
    asked, form = ask(client)
    said = Page(asked).text
    assert (form["skip"], form["again"]) == (4, 5)
    assert "Skip 1 that succeeded" in said
    assert "3 deliveries wait for Paused partner, which is paused." in said
    assert "2 deliveries to Disabled partner are skipped, as it is disabled." in said
    assert "2 deliveries to Deleted partner are skipped, as it was deleted." in said
    assert "1 delivery still waits and is sent anyway." in said
    assert "1 test is skipped" in said
    client.post(ASK, form | {"succeeded": "skip"})
    assert replays().count() == 4
    assert sorted(replays().values_list("webhook", "status")) == sorted(
        [(webhook.pk, Status.QUEUED), *[(paused.pk, Status.HELD)] * 3]
    )


def test_successes_are_sent_too_when_asked(crm, client, webhook):
    deliveries.succeeded(deliveries.made(crm.leeds, webhook))
    deliveries.failed(deliveries.made(crm.leeds, webhook))
    _, form = ask(client)
    client.post(ASK, form | {"succeeded": "send"})
    assert replays().count() == 2


def test_a_message_counts_once_however_often_it_was_sent(crm, client, webhook):
    first = deliveries.failed(deliveries.made(crm.leeds, webhook))
    _, form = ask(client)
    client.post(ASK, form | {"succeeded": "skip"})
    deliveries.failed(replays().get())
    _, form = ask(client, "status=failure")
    assert form["skip"] == 1
    client.post(f"{ASK}?status=failure", form | {"succeeded": "skip"})
    # A replay of a replay goes back to the first one of those bytes.
    assert [each.replay_of_id for each in replays()] == [first.pk, first.pk]


def test_answering_twice_adds_once(crm, client, webhook):
    deliveries.failed(deliveries.made(crm.leeds, webhook))
    _, form = ask(client)
    client.post(ASK, form | {"succeeded": "skip"})
    again = client.post(ASK, form | {"succeeded": "skip"})
    assert again.status_code == 200
    assert "The deliveries changed meanwhile." in Page(again).text
    assert replays().count() == 1


def test_a_webhook_that_is_disabled_meanwhile_is_told_before_anything_is_added(crm, client, webhook):
    deliveries.failed(deliveries.made(crm.leeds, webhook))
    _, form = ask(client)
    switch.disable(webhook.pk)
    again = client.post(ASK, form | {"succeeded": "skip"})
    assert "changed meanwhile" in Page(again).text
    assert "as it is disabled" in Page(again).text
    assert replays().count() == 0


@pytest.mark.parametrize(
    "form", [{}, {"through": "x", "skip": "1"}, {"through": "9" * 30, "skip": "-1"}, {"skip": "1"}]
)
def test_a_forged_answer_adds_nothing(crm, client, webhook, form):
    deliveries.failed(deliveries.made(crm.leeds, webhook))
    assert client.post(ASK, form).status_code == 200
    assert replays().count() == 0


def test_nothing_to_replay(crm, client):
    asked, form = ask(client)
    assert "Nothing to replay" in Page(asked).text
    assert form["again"] == 0


def test_without_the_right_or_out_of_scope(crm, sign_in, webhook):
    theirs = deliveries.failed(deliveries.made(crm.leeds, webhook))
    for user in (crm.staff, crm.auditor, crm.viewer):
        assert sign_in(user).get(ASK).status_code == 403
        assert sign_in(user).post(ASK, {"through": theirs.pk, "skip": 1}).status_code == 403
    client = sign_in(crm.other_manager)
    _, form = ask(client, f"ids={theirs.pk}")
    assert form["again"] == 0
    client.post(f"{ASK}?ids={theirs.pk}", {"through": theirs.pk, "skip": 1, "succeeded": "skip"})
    assert replays().count() == 0


def test_a_big_one_is_the_workers(crm, client, webhook, monkeypatch):
    monkeypatch.setattr(replay, "AT_ONCE", 2)
    started = []
    monkeypatch.setattr("leads.jobs.start", lambda *job: started.append(job))
    for _ in range(5):
        deliveries.failed(deliveries.made(crm.leeds, webhook))
    _, form = ask(client)
    done = client.post(ASK, form | {"succeeded": "skip"}, follow=True)
    assert "5 deliveries are being added by the worker. View" in Page(done).text
    assert "A replay is running. 0 of 5 deliveries added so far." in Page(done).text
    row = Replay.objects.get()
    assert started == [("replay", row.pk)]
    assert (row.started_by, row.chosen, replays().count()) == (crm.manager, 5, 0)
    # Asked again meanwhile, nothing is counted twice.
    assert ask(client)[1]["again"] == 0
    replay.resume(row.pk)
    assert replays().count() == 5
    row.refresh_from_db()
    assert row.added == 5
    assert row.finished_at is not None
    assert "A replay is running" not in Page(client.get(LIST)).text


# One delivery


def replay_one(client, delivery, **headers):
    return client.post(
        reverse("admin:webhooks_delivery_replay", args=[delivery.pk]), {"_form_submitted": "on"}, **headers
    )


def test_one_by_its_dialog(crm, client, webhook):
    delivery = deliveries.failed(deliveries.made(crm.leeds, webhook))
    address = reverse("admin:webhooks_delivery_replay", args=[delivery.pk])
    assert "The same bytes are sent under the same webhook-id" in Page(client.get(address)).text
    assert replays().count() == 0
    response = replay_one(client, delivery, HTTP_HX_REQUEST="true")
    assert response["HX-Redirect"] == reverse("admin:webhooks_delivery_change", args=[delivery.pk])
    added = replays().get()
    assert (added.replay_of_id, added.lane, added.message_id) == (delivery.pk, Lane.LIVE, delivery.message_id)
    delivery.refresh_from_db()
    assert delivery.status == Status.FAILURE


def test_one_that_cannot_be_replayed_says_why(crm, client, webhook):
    waits = deliveries.made(crm.leeds, webhook)
    assert "It still waits, and is sent anyway." in Page(replay_one_follow(client, waits)).text
    failed = deliveries.failed(waits)
    switch.disable(webhook.pk)
    assert "LeadPro production is disabled: enable it first." in Page(replay_one_follow(client, failed)).text
    switch.delete(webhook.pk)
    assert "LeadPro production was deleted" in Page(replay_one_follow(client, failed)).text
    test = Delivery.objects.create(
        account=crm.account,
        webhook_name="x",
        dialect="leadpro",
        sent_as="lead.updated",
        message_id="msg_t_1",
        test=True,
        status=Status.FAILURE,
    )
    assert "A test cannot be replayed." in Page(replay_one_follow(client, test)).text
    assert replays().count() == 0


def replay_one_follow(client, delivery):
    return client.post(
        reverse("admin:webhooks_delivery_replay", args=[delivery.pk]), {"_form_submitted": "on"}, follow=True
    )
