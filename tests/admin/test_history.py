"""Webhook History: who sees which rows, what the filters find, and how pages follow each other."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests import factories
from tests.admin import deliveries
from webhooks.admin import keyset
from webhooks.models import Delivery, Event, Status
from webhooks.outbound import switch

LIST = reverse("admin:webhooks_delivery_changelist")


@pytest.fixture
def webhook(crm):
    return factories.webhook("https://hooks.example.com/in")


@pytest.fixture
def other_webhook(crm):
    return factories.webhook("https://hooks.example.com/south", account=crm.other, name="Harbour hook")


@pytest.fixture
def page(crm, sign_in):
    clients = {}

    def page(query: str = "", user=None):
        user = user or crm.manager
        if user not in clients:
            clients[user] = sign_in(user)
        response = clients[user].get(f"{LIST}?{query}")
        assert response.status_code == 200, response
        return response

    return page


def shown(response) -> list[int]:
    return [int(pk) for pk in re.findall(r'name="_selected_action" value="(\d+)"', response.content.decode())] or [
        each.pk for each in response.context["cl"].result_list
    ]


def test_each_sees_what_is_theirs(crm, page, webhook, other_webhook):
    leeds = deliveries.made(crm.leeds, webhook)
    york = deliveries.made(crm.york, webhook)
    whitby = deliveries.made(crm.whitby, other_webhook)
    test = Delivery.objects.create(
        account=crm.account,
        webhook=webhook,
        webhook_name="x",
        dialect="leadpro",
        sent_as="lead.updated",
        message_id="msg_t_1",
        test=True,
        status="success",
    )
    sees = {
        crm.superuser: {leeds.pk, york.pk, whitby.pk, test.pk},
        crm.manager: {leeds.pk, york.pk, test.pk},
        crm.auditor: {leeds.pk, york.pk, test.pk},
        crm.staff: {leeds.pk},
        crm.staff_b: {york.pk},
        crm.other_manager: {whitby.pk},
    }
    for user, expected in sees.items():
        assert set(shown(page(user=user))) == expected, user
    # The office is the lead's office of now.
    lead_id = Event.objects.get(pk=leeds.event_id).record_id
    type(crm.leeds.leads.model.objects.get(pk=lead_id)).objects.filter(pk=lead_id).update(office=crm.york)
    assert leeds.pk not in shown(page(user=crm.staff))
    assert leeds.pk in shown(page(user=crm.staff_b))


@pytest.mark.parametrize("who", ["viewer", "powerless"])
def test_without_the_right_there_is_nothing(crm, sign_in, webhook, who):
    delivery = deliveries.made(crm.leeds, webhook)
    client = sign_in(getattr(crm, who))
    assert client.get(LIST).status_code == 403
    assert client.get(reverse("admin:webhooks_delivery_change", args=[delivery.pk])).status_code == 403


def test_views_and_their_counts(crm, page, webhook):
    failure = deliveries.failed(deliveries.made(crm.leeds, webhook))
    success = deliveries.succeeded(deliveries.made(crm.leeds, webhook))
    queued = deliveries.made(crm.leeds, webhook)
    sending = deliveries.put(deliveries.made(crm.leeds, webhook), Status.SENDING)
    held = deliveries.put(deliveries.made(crm.leeds, webhook), Status.HELD)
    response = page()
    assert [(view["title"], view["count"]) for view in response.context["views"]] == [
        ("All", ""),
        ("Failure", "1"),
        ("In Queue", "2"),
        ("Held", "1"),
        ("Success", "1"),
        ("Failures by cause", "0"),
    ]
    assert shown(page("status=failure")) == [failure.pk]
    assert shown(page("status=queued")) == [sending.pk, queued.pk]
    assert shown(page("status=held")) == [held.pk]
    assert shown(page("status=success")) == [success.pk]
    assert shown(page("status=failure&status=success")) == [success.pk, failure.pk]
    assert shown(page("status=failure&status=held")) == [held.pk, failure.pk]


def test_filters(crm, page, webhook):
    second = factories.webhook("https://hooks.example.com/second", name="Warehouse")
    first_failure = deliveries.failed(deliveries.made(crm.leeds, webhook, email="find.me@example.com"))
    lead_id = Event.objects.get(pk=first_failure.event_id).record_id
    at_second = Delivery.objects.get(event=first_failure.event_id, webhook=second)
    success = deliveries.succeeded(deliveries.made(crm.york, webhook))
    refused = deliveries.put(deliveries.made(crm.york, webhook), Status.FAILURE, tries=3, error="timed out. No answer.")
    on_second = set(Delivery.objects.filter(webhook=second).values_list("pk", flat=True))
    finds = {
        f"webhook={second.pk}": on_second,
        f"webhook={webhook.pk}&status=failure": {first_failure.pk, refused.pk},
        f"webhook={webhook.pk}&status=success": {success.pk},
        f"webhook={second.pk}&status=queued": on_second,
        "code=500": {first_failure.pk},
        "code=5xx": {first_failure.pk},
        "code=404": set(),
        "error=timed+out": {refused.pk},
        "event=lead.updated": set(),
        f"lead={lead_id}": {first_failure.pk, at_second.pk},
        f"q={first_failure.message_id}": {first_failure.pk},
        "q=find.me%40": {first_failure.pk, at_second.pk},
        "q=No+answer": {refused.pk},
        "q=hartley&status=success": {success.pk},
        "q=nobody": set(),
    }
    for query, expected in finds.items():
        assert set(shown(page(query))) == expected, query
    Delivery.objects.filter(pk=success.pk).update(transmitted_at=timezone.now() - timedelta(days=40))
    day = (timezone.now() - timedelta(days=40)).date()
    assert shown(page(f"sent_from_0={day}&sent_to_0={day + timedelta(days=1)}")) == []
    Delivery.objects.filter(pk__lte=success.pk).update(created_at=timezone.now() - timedelta(days=41))
    Delivery.objects.filter(pk__gt=success.pk).update(created_at=timezone.now())
    assert shown(page(f"sent_from_0={day}&sent_from_1=00:00&sent_to_0={day}&sent_to_1=23:59&status=success")) == [
        success.pk
    ]


@pytest.mark.parametrize(
    "query",
    ["status=nonsense", "webhook=abc", "code=99999", "sent_from_0=yesterday", "colour=red", "ids=1,x", "lead=-1"],
)
def test_what_is_not_understood_shows_nothing_and_replays_nothing(crm, sign_in, webhook, query):
    client = sign_in(crm.manager)
    assert client.get(f"{LIST}?{query}").status_code == 302
    assert client.get(reverse("admin:webhooks_delivery_replay_matching") + f"?{query}").status_code == 302


def test_another_accounts_webhook_is_no_filter_into_it(crm, page, other_webhook, webhook):
    deliveries.made(crm.whitby, other_webhook)
    assert shown(page(f"webhook={other_webhook.pk}")) == []
    assert "Harbour hook" not in page().content.decode()


def test_pages_follow_each_other_without_offset_or_count(crm, page, webhook, monkeypatch):
    every = []
    for _ in range(5):
        every.append(deliveries.made(crm.leeds, webhook).pk)
    Delivery.objects.bulk_create(
        Delivery(
            account=crm.account,
            webhook=webhook,
            webhook_name="x",
            dialect="leadpro",
            sent_as="lead.updated",
            message_id=f"msg_{n}_1",
            event_id=Delivery.objects.get(pk=every[0]).event_id,
            status="success",
        )
        for n in range(2 * keyset.PER_PAGE)
    )
    everything = list(Delivery.objects.order_by("-pk").values_list("pk", flat=True))
    page()
    with CaptureQueriesContext(connection) as queries:
        first = page()
    assert len(queries) <= 30
    assert not [each["sql"] for each in queries if re.search(r"LIMIT 5[01] OFFSET", each["sql"])]
    assert shown(first) == everything[:50]
    assert first.context["cl"].page.newer is None
    second = page(first.context["cl"].older_address()[1:])
    assert shown(second) == everything[50:100]
    third = page(second.context["cl"].older_address()[1:])
    assert shown(third) == everything[100:]
    assert third.context["cl"].page.older is None
    assert shown(page(third.context["cl"].newer_address()[1:])) == everything[50:100]
    assert shown(page(second.context["cl"].newer_address()[1:])) == everything[:50]
    beyond = page(f"after={everything[-1]}")
    assert "No more deliveries" in beyond.content.decode()
    assert "First page" in beyond.content.decode()


def test_rows_cost_no_statement_each(crm, page, webhook):
    deliveries.made(crm.leeds, webhook)
    page()
    with CaptureQueriesContext(connection) as one:
        page()
    for _ in range(20):
        deliveries.made(crm.leeds, webhook)
    with CaptureQueriesContext(connection) as many:
        page()
    assert len(many) <= len(one)


def test_a_walk_is_cut_and_goes_on(crm, page, webhook, monkeypatch):
    monkeypatch.setattr(keyset, "READ", 3)
    wanted = deliveries.failed(deliveries.made(crm.leeds, webhook), code=404)
    for _ in range(8):
        deliveries.succeeded(deliveries.made(crm.leeds, webhook))
    response = page("code=404")
    found, steps = shown(response), 0
    while not found and response.context["cl"].page.older is not None:
        assert "Look further" in response.content.decode()
        response = page(response.context["cl"].older_address()[1:])
        found, steps = shown(response), steps + 1
    assert found == [wanted.pk]
    assert steps == 2
    # What has an index of its own need not be looked for.
    assert shown(page("status=failure")) == [wanted.pk]


def test_counts_are_capped(crm, page, webhook, monkeypatch):
    monkeypatch.setattr("webhooks.admin.history.COUNT_CAP", 2)
    for _ in range(3):
        deliveries.made(crm.leeds, webhook)
    assert {view["title"]: view["count"] for view in page().context["views"]}["In Queue"] == "2+"


def test_empty_texts(crm, page):
    assert "No deliveries yet" in page().content.decode()
    assert "“zzzz”" in page("q=zzzz").content.decode()


def test_what_a_row_says(crm, page, webhook, settings):
    settings.WEBHOOK_RETRY_SCALE = 0.05
    deliveries.put(
        deliveries.made(crm.leeds, webhook),
        Status.QUEUED,
        tries=2,
        code=500,
        due_at=timezone.now() + timedelta(seconds=48),
    )
    html = page().content.decode()
    assert re.search(r"2 of 3 .*next <time[^>]*>in 4[78] s</time>", html)
    assert re.search(r'<code class="lc-code bad">500</code> <span[^>]*>121 ms</span>', html)
    assert "Waits between tries are scaled by 0.05" in html


def test_names_are_inert(crm, page, webhook):
    deliveries.made(crm.leeds, webhook, first_name="<b>Bob</b>", last_name='"><script>alert(1)</script>')
    html = page().content.decode()
    assert "<script>alert(1)" not in html
    assert "<b>Bob" not in html
    assert "&lt;b&gt;Bob" in html


def test_a_lead_that_is_gone_is_named_without_a_link(crm, page, webhook):
    delivery = deliveries.made(crm.leeds, webhook)
    address = reverse("admin:leads_lead_change", args=[delivery.event.record_id])
    assert address in page().content.decode()
    crm.leeds.leads.get(pk=delivery.event.record_id).delete()
    html = page().content.decode()
    assert address not in html
    assert "Olivia Hartley" in html


# Actions of the list


def act(client, action, *pks):
    return client.post(LIST, {"action": action, "_selected_action": [str(pk) for pk in pks], "index": 0})


def test_cancel_asks_then_cancels_only_what_waits(crm, sign_in, webhook):
    queued = deliveries.made(crm.leeds, webhook)
    sending = deliveries.put(deliveries.made(crm.leeds, webhook), Status.SENDING)
    success = deliveries.succeeded(deliveries.made(crm.leeds, webhook))
    held = deliveries.put(deliveries.made(crm.leeds, webhook), Status.HELD)
    client = sign_in(crm.manager)
    response = act(client, "cancel_selected", queued.pk, sending.pk, success.pk, held.pk)
    assert response.status_code == 302
    assert Delivery.objects.filter(status="cancelled").count() == 0
    asked = client.get(response.url).content.decode()
    assert "Cancel 2 waiting deliveries?" in asked
    assert "1 delivery is being sent now." in asked
    done = client.post(response.url, follow=True).content.decode()
    assert "2 deliveries cancelled." in done
    statuses = {each.pk: each.status for each in Delivery.objects.all()}
    assert statuses == {queued.pk: "cancelled", sending.pk: "sending", success.pk: "success", held.pk: "cancelled"}
    assert Delivery.objects.get(pk=queued.pk).finished_at is not None


def test_try_now(crm, sign_in, webhook, monkeypatch):
    nudges = []
    monkeypatch.setattr("webhooks.queue.nudge", lambda *_: nudges.append(1))
    later = timezone.now() + timedelta(hours=1)
    queued = deliveries.put(deliveries.made(crm.leeds, webhook), Status.QUEUED, tries=1, due_at=later)
    held = deliveries.put(deliveries.made(crm.leeds, webhook), Status.HELD, due_at=later)
    nudges.clear()
    client = sign_in(crm.manager)
    act(client, "try_selected", queued.pk, held.pk)
    queued.refresh_from_db()
    held.refresh_from_db()
    assert queued.due_at <= timezone.now()
    assert (held.status, held.due_at) == (Status.HELD, later)
    assert nudges == [1]


@pytest.mark.parametrize("action", ["replay_selected", "cancel_selected", "try_selected"])
def test_actions_need_the_right(crm, sign_in, webhook, action):
    delivery = deliveries.made(crm.leeds, webhook)
    for user in (crm.staff, crm.auditor, crm.viewer):
        assert act(sign_in(user), action, delivery.pk).status_code == 403, user
    delivery.refresh_from_db()
    assert delivery.status == Status.QUEUED


def test_actions_reach_no_other_account(crm, sign_in, webhook, other_webhook):
    theirs = deliveries.put(
        deliveries.made(crm.whitby, other_webhook), Status.QUEUED, due_at=timezone.now() + timedelta(hours=1)
    )
    client = sign_in(crm.manager)
    act(client, "try_selected", theirs.pk)
    client.post(reverse("admin:webhooks_delivery_cancel_selected") + f"?ids={theirs.pk}")
    # Not even with "all rows of the list" ticked by hand.
    client.post(
        LIST, {"action": "try_selected", "_selected_action": [str(theirs.pk)], "select_across": "1", "index": 0}
    )
    theirs.refresh_from_db()
    assert theirs.status == Status.QUEUED
    assert theirs.due_at > timezone.now()


def test_nobody_adds_changes_or_deletes_history(crm, sign_in, webhook):
    delivery = deliveries.made(crm.leeds, webhook)
    client = sign_in(crm.superuser)
    change = reverse("admin:webhooks_delivery_change", args=[delivery.pk])
    assert client.post(change, {"status": "success"}).status_code == 405
    assert client.get(reverse("admin:webhooks_delivery_add")).status_code in (403, 404)
    assert (
        client.post(reverse("admin:webhooks_delivery_delete", args=[delivery.pk]), {"post": "yes"}).status_code == 403
    )
    assert Delivery.objects.filter(pk=delivery.pk, status=Status.QUEUED).exists()


def test_paused_deliveries_are_held_in_the_list(crm, page, webhook):
    deliveries.made(crm.leeds, webhook)
    switch.pause(webhook.pk)
    assert "Held" in page("status=held").content.decode()
