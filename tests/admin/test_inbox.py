"""The page of the test inbox, and who may do what there."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests import factories
from tests.admin.deliveries import made
from tests.admin.page import Page
from webhooks.inbox.address import address
from webhooks.models import Answer, Delivery, InboxMode, InboxRequest, State
from webhooks.outbound import compose

PAGE = "admin:webhooks_inbox"


@pytest.fixture
def webhook(crm):
    made = factories.webhook(account=crm.account, name="LeadPro practice")
    made.url = address(made)
    made.save()
    return made


@pytest.fixture
def manager(crm, sign_in):
    return sign_in(crm.manager)


def receive(webhook, body=None, message_id="msg_1", **headers):
    """What the inbox gets when we send this to the webhook's address."""
    now = timezone.now() - timedelta(seconds=3)
    request, _ = compose.build(webhook, webhook.wire.sample({}) if body is None else body, message_id, now)
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers} | headers
    Client().generic("POST", reverse("inbox", args=[webhook.pk]), request.body, "application/json", **named)
    return InboxRequest.objects.order_by("pk").last()


def look(client, **query):
    return client.get(reverse(PAGE), query)


def test_it_stands_at_its_own_address():
    assert reverse(PAGE) == "/admin/inbox/"


def test_nothing_was_received_yet(manager, webhook):
    page = Page(look(manager))
    assert address(webhook) in page.text
    assert "Nothing received yet" in page.text
    assert "Point a webhook at the address above, or save a lead." in page.text
    assert reverse("admin:leads_lead_add") in page.links


def test_there_is_no_webhook_yet(manager):
    page = Page(look(manager))
    assert "No webhooks yet" in page.text
    assert reverse("admin:webhooks_webhook_add") in page.links


def test_requests_are_listed_with_what_their_signature_proves(manager, webhook):
    receive(webhook)
    receive(webhook, HTTP_AUTHORIZATION="Bearer a.b.c")
    receive(webhook, HTTP_AUTHORIZATION="")
    text = Page(look(manager)).text
    assert "3, newest first" in text
    assert text.index("Unsigned") < text.index("Wrong signature") < text.index("Verified")
    assert "Sir Ricard Branson" in text


def test_the_newest_is_shown_in_full(manager, webhook):
    receive(webhook, message_id="msg_old")
    receive(webhook)
    page = look(manager)
    text = Page(page).text
    assert f"POST {reverse('inbox', args=[webhook.pk])}" in text
    assert "The token in Authorization is genuine and its claims are the body." in text
    assert re.search(r"webhook-timestamp [34] s before arrival", text)
    assert "msg_1 first time seen" in text
    assert "1,213 bytes" in text and "answered 200" in text
    assert "webhook-signature v1," in text and "authorization Bearer ey" in text
    assert '"phone"' in page.content.decode().replace("&quot;", '"')


def test_any_other_can_be_chosen(manager, webhook):
    first = receive(webhook, message_id="msg_first")
    receive(webhook)
    page = Page(look(manager, request=first.pk))
    assert "msg_first first time seen" in page.text
    assert f"{reverse(PAGE)}?webhook={webhook.pk}&request={first.pk}" in page.links


def test_repetitions_are_counted(manager, webhook):
    first = receive(webhook)
    receive(webhook)
    assert "msg_1 seen 2 times" in Page(look(manager)).text
    assert "msg_1 first time seen" in Page(look(manager, request=first.pk)).text


def test_it_leads_to_the_delivery(manager, webhook, crm):
    delivery = made(crm.leeds, webhook)
    receive(webhook, message_id=delivery.message_id)
    page = Page(look(manager))
    assert reverse("admin:webhooks_delivery_change", args=[delivery.pk]) in page.links
    assert "lead.created to LeadPro practice" in page.text


def test_another_accounts_delivery_is_not_led_to(manager, webhook, crm):
    foreign = factories.webhook(account=crm.other, name="Foreign")
    delivery = made(crm.whitby, foreign)
    receive(webhook, message_id=delivery.message_id)
    page = Page(look(manager))
    assert "Foreign" not in page.text
    assert reverse("admin:webhooks_delivery_change", args=[delivery.pk]) not in page.links


def test_a_webhook_is_chosen_among_several(manager, webhook, crm):
    other = factories.webhook(account=crm.account, name="Staging", state=State.DISABLED)
    foreign = factories.webhook(account=crm.other, name="Foreign")
    receive(webhook)
    page = Page(look(manager))
    assert address(webhook) in page.text
    assert f"{reverse(PAGE)}?webhook={other.pk}" in page.links
    assert "Foreign" not in page.text
    text = Page(look(manager, webhook=other.pk)).text
    assert address(other) in text and "Nothing received yet" in text
    assert "Staging sends to another address." in text
    assert look(manager, webhook=foreign.pk).status_code == 404


@pytest.mark.parametrize(
    "query", [{"request": "999999"}, {"request": "abc"}, {"webhook": "abc"}, {"request": "9" * 30}]
)
def test_what_is_not_there_shows_the_newest(manager, webhook, query):
    receive(webhook)
    assert "msg_1" in Page(look(manager, **query)).text


def test_a_request_of_another_webhook_is_not_shown(manager, webhook, crm):
    foreign = receive(factories.webhook(account=crm.other), message_id="msg_foreign")
    receive(webhook)
    assert "msg_foreign" not in Page(look(manager, request=foreign.pk)).text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<script>alert(1)</script>",
        b'{"event":"<b>x</b>","data":{"full_name":"<script>alert(1)</script>"}}',
        b'{"a":"\\u0000\\ud800"}',
        b"\xff\x00\xfe",
        b"[" * 50_000,
        b"9" * 10_000,
        b"x" * 300_000,
    ],
    ids=["empty", "markup", "markup in JSON", "NUL and surrogate", "binary", "deep", "number", "long"],
)
def test_whatever_came_can_be_looked_at(manager, webhook, body):
    receive(webhook, body)
    page = look(manager)
    assert page.status_code == 200
    assert "<script>alert(1)" not in page.content.decode()
    assert len(page.content) < 2_000_000


def test_the_page_refreshes_itself(manager, webhook):
    assert 'id="inbox" data-refresh="2"' in look(manager).content.decode()


# Answer with


def answer(client, webhook, value="error"):
    return client.post(reverse("admin:webhooks_inbox_answer", args=[webhook.pk]), {"answer": value})


@pytest.mark.parametrize("value", Answer.values)
def test_the_next_requests_are_answered_as_chosen(manager, webhook, value):
    response = answer(manager, webhook, value)
    assert response["Location"] == f"{reverse(PAGE)}?webhook={webhook.pk}"
    assert InboxMode.objects.get(webhook=webhook).answer == value
    page = look(manager).content.decode()
    assert f'value="{value}" aria-pressed="true"' in page
    assert len(re.findall('name="answer" value="[a-z]+" aria-pressed="true"', page)) == 1
    answer(manager, webhook, "ok")
    assert InboxMode.objects.get().answer == "ok"


@pytest.mark.parametrize("value", ["", "teapot", "OK"])
def test_another_answer_is_refused(manager, webhook, value):
    response = answer(manager, webhook, value)
    assert "That is no answer of the inbox." in Page(manager.get(response["Location"])).text
    assert not InboxMode.objects.exists()


# Clear


def clear(client, webhook, method="post", **headers):
    url = reverse("admin:webhooks_inbox_clear", args=[webhook.pk])
    return getattr(client, method)(url, {"_form_submitted": "True"}, **headers)


def test_clearing_asks_counts_and_removes(manager, webhook, crm):
    other = factories.webhook(account=crm.account, secret="")
    receive(other)
    receive(webhook)
    receive(webhook)
    asked = Page(clear(manager, webhook, "get")).text
    assert "Clear the inbox?" in asked and "2 requests are removed." in asked and "Clear inbox" in asked
    assert InboxRequest.objects.count() == 3
    response = clear(manager, webhook)
    assert "2 requests removed." in Page(manager.get(response["Location"])).text
    assert list(InboxRequest.objects.values_list("webhook", flat=True)) == [other.pk]


def test_htmx_is_sent_to_the_page(manager, webhook):
    response = clear(manager, webhook, HTTP_HX_REQUEST="true")
    assert response["HX-Redirect"] == f"{reverse(PAGE)}?webhook={webhook.pk}"


# Who may


@pytest.mark.parametrize(
    ("who", "seen", "done"),
    [
        ("manager", 200, 302),
        ("superuser", 200, 302),
        ("other_manager", 404, 404),
        ("auditor", 403, 403),
        ("staff", 403, 403),
        ("powerless", 403, 403),
        ("outsider", 302, 302),
    ],
)
def test_who_may_do_what(crm, sign_in, webhook, who, seen, done):
    receive(webhook)
    client = sign_in(getattr(crm, who))
    page = look(client, webhook=webhook.pk)
    assert page.status_code == seen
    assert ("msg_1" in page.content.decode()) == (seen == 200)
    assert answer(client, webhook).status_code == done
    assert clear(client, webhook).status_code == done
    allowed = who in ("manager", "superuser")
    assert InboxMode.objects.exists() == allowed
    assert InboxRequest.objects.exists() != allowed


def test_by_get_nothing_changes(manager, webhook):
    receive(webhook)
    assert (
        manager.get(reverse("admin:webhooks_inbox_answer", args=[webhook.pk]), {"answer": "error"}).status_code == 405
    )
    assert clear(manager, webhook, "get").status_code == 200
    assert InboxRequest.objects.exists() and not InboxMode.objects.exists()


def test_posts_need_the_token_of_the_form(crm, webhook):
    client = Client(enforce_csrf_checks=True)
    client.force_login(crm.manager)
    assert answer(client, webhook).status_code == 403
    assert clear(client, webhook).status_code == 403


def test_payloads_need_their_own_right(crm, sign_in, webhook):
    crm.powerless.user_permissions.add(Permission.objects.get(codename="view_inboxrequest"))
    crm.powerless.groups.clear()
    received = receive(webhook)
    # Who sees single offices only sees no webhook.
    assert "No webhooks yet" in Page(look(sign_in(crm.powerless))).text
    crm.auditor.user_permissions.add(Permission.objects.get(codename="view_inboxrequest"))
    page = look(sign_in(crm.auditor))
    text = Page(page).text
    assert "You may not view payloads." in text and "msg_1" in text
    token = dict(json.loads(received.headers))["authorization"]
    assert token not in page.content.decode() and "07123456789" not in page.content.decode()
    assert "Clear…" not in text


@pytest.mark.parametrize("name", [PAGE, "admin:webhooks_inbox_answer", "admin:webhooks_inbox_clear"])
def test_there_is_no_page_where_the_inbox_is_off(manager, webhook, settings, name):
    settings.WEBHOOK_INBOX = False
    url = reverse(name, args=[] if name == PAGE else [webhook.pk])
    assert manager.post(url).status_code == 404
    assert not Delivery.objects.exists()
