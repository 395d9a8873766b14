"""Webhooks of the type Lapp in the admin: chosen by label, never with a URL, and the same page around them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse

from tests import factories
from tests.admin.page import Page
from tests.admin.webhook_form import errors, filled, new, url
from webhooks import lapp
from webhooks.admin.webhook_form import conditions
from webhooks.models import Kind, Webhook
from webhooks.outbound import deliver
from webhooks.wire.exchange import Failure, FailureKind, Request, Response

OF_LAPP: dict[str, Any] = {"dialect": "leadsquared", "kind": "lapp", "lapp": "follow_up", "url": "", "name": "Follow"}


@pytest.fixture
def manager(crm, sign_in):
    return sign_in(crm.manager)


@pytest.fixture
def webhook(crm):
    return made(crm)


def made(crm: Any, **values: Any) -> Webhook:
    events = {"events": ["Lead_Post_Create"], "secret": ""}
    return factories.webhook(account=crm.account, **events | OF_LAPP | values)


def add(client: Any, **changes: Any) -> Any:
    return client.post(url("add"), new(client, **OF_LAPP | changes))


def refused(client: Any, **changes: Any) -> dict[str, list[str]]:
    found = errors(add(client, **changes))
    assert not Webhook.objects.exists()
    return dict(found)


# Choosing one


def test_both_types_are_there_and_the_registered_lapps_by_label(manager):
    page = Page(manager.get(url("add")))
    assert page.form("webhook_form")["kind"] == ["webhook"]
    assert "Type" in page.text and "Follow up" in page.text
    assert lapp.named("follow_up").description in page.text


def test_one_is_added_without_a_url(manager, crm):
    assert add(manager).status_code == 302
    webhook = Webhook.objects.get()
    assert (webhook.kind, webhook.lapp, webhook.url) == (Kind.LAPP, "follow_up", "")
    assert (webhook.secret, webhook.custom_headers) == ("", {})
    assert webhook.settings == {"content_type": "application/json"}


def test_a_webhook_is_added_as_before(manager):
    assert add(manager, kind="webhook", lapp="", url="https://hooks.example.com/in").status_code == 302
    webhook = Webhook.objects.get()
    assert (webhook.kind, webhook.lapp, webhook.url) == (Kind.WEBHOOK, "", "https://hooks.example.com/in")


def test_a_url_is_refused(manager):
    assert refused(manager, url="https://hooks.example.com/in") == {
        "url": ["A Lapp has no URL. Leave this empty, or choose the type Webhook."]
    }


@pytest.mark.parametrize("name", ["bygone", "__import__", "Follow_up"])
def test_an_unknown_one_is_refused(manager, name):
    assert refused(manager, lapp=name) == {
        "lapp": [f"No Lapp is called {name} here. Choose another one, or bring its function back."]
    }


def test_none_is_refused(manager):
    assert refused(manager, lapp="") == {"lapp": ["Choose a Lapp."]}


def test_another_type_is_refused(manager):
    assert "kind" in refused(manager, kind="script")


def test_a_webhook_has_no_lapp_and_needs_a_url(manager):
    found = refused(manager, kind="webhook")
    assert found["lapp"] == ["A webhook calls a URL. Choose no Lapp here, or the type Lapp."]
    assert found["url"] == ["This field is required."]


def test_systems_without_lapps_do_not_read_what_is_hidden(manager):
    """What stands in hidden fields is another system's."""
    given = {"dialect": "leadpro", "url": "https://hooks.example.com/in", "leadsquared__events": None}
    assert add(manager, **given).status_code == 302
    webhook = Webhook.objects.get()
    assert (webhook.kind, webhook.lapp, webhook.url) == (Kind.WEBHOOK, "", "https://hooks.example.com/in")


def test_they_cannot_do_without_a_url(manager):
    assert refused(manager, dialect="leadpro") == {"url": ["This field is required."]}


def test_fields_are_shown_where_they_mean_something():
    shown = conditions()
    is_lapp = "(dialect == 'leadsquared' && kind == 'lapp')"
    assert shown["kind"] == "dialect == 'leadsquared'"
    assert shown["headers"] == f"!{is_lapp}"
    for field in ("leadsquared__content_type", "typed_secret", "generate_secret", "send_webhook_headers"):
        assert shown[field].endswith(f"&& !{is_lapp}"), field


# The webhook's page


def test_it_is_kept_as_it_is(manager, webhook):
    assert manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk))).status_code == 302
    again = Webhook.objects.get()
    assert (again.kind, again.lapp, again.url, again.events) == ("lapp", "follow_up", "", ["Lead_Post_Create"])


def test_a_webhook_becomes_one_and_keeps_what_is_hidden_then(manager, crm):
    webhook = made(crm, kind="webhook", lapp="", url="https://hooks.example.com/in", custom_headers={"X-Key": "hush"})
    fields = filled(manager, url("change", webhook.pk), kind="lapp", lapp="follow_up", url="")
    assert manager.post(url("change", webhook.pk), fields).status_code == 302
    webhook.refresh_from_db()
    assert (webhook.kind, webhook.url, webhook.custom_headers) == ("lapp", "", {"X-Key": "hush"})


def test_one_that_is_gone_is_named_and_can_be_replaced(manager, crm):
    webhook = made(crm, lapp="bygone")
    page = Page(manager.get(url("change", webhook.pk)))
    assert page.form("webhook_form")["lapp"] == ["bygone"] and "bygone (not there any more)" in page.text
    same = manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk)))
    assert "No Lapp is called bygone here." in errors(same)["lapp"][0]
    fields = filled(manager, url("change", webhook.pk), lapp="follow_up")
    assert manager.post(url("change", webhook.pk), fields).status_code == 302


def test_the_page_says_which_lapp_and_speaks_of_no_secret(manager, webhook):
    text = Page(manager.get(url("change", webhook.pk))).text
    assert "LeadSquared · Lapp Follow up" in text
    assert "Generate secret" not in text and "not signed" not in text
    assert "Handshake" not in text, "There is no URL to be asked."


def test_whoever_only_looks_sees_its_label(crm, sign_in, webhook):
    page = sign_in(crm.auditor).get(url("change", webhook.pk))
    text = Page(page).text
    assert "Type Lapp" in text and "Lapp Follow up" in text
    assert "dialect" not in page.content.decode(), "There is no choice by which fields could be hidden."
    assert "Webhook URL" not in text and "Custom headers" not in text


def test_the_list_shows_the_type(manager, crm, webhook):
    made(crm, kind="webhook", lapp="", url="https://hooks.example.com/in", name="By URL")
    text = Page(manager.get(url("changelist"))).text
    assert "Type" in text and "LeadSquared · Follow up" in text and "LeadSquared · hooks.example.com" in text
    only = Page(manager.get(url("changelist"), {"kind": "lapp"})).text
    assert "Follow up" in only and "By URL" not in only


def test_a_copy_has_the_same_lapp(manager, webhook):
    page = Page(manager.get(url("add"), {"copy": webhook.pk}))
    form = page.form("webhook_form")
    assert (form["kind"], form["lapp"], form["url"]) == (["lapp"], ["follow_up"], [""])


def test_the_preview_shows_the_call(manager, crm):
    fields = new(manager, **OF_LAPP)
    text = Page(manager.post(url("new_preview"), fields)).text
    assert "LAPP lapp:follow_up?entityType=webhook" in text
    assert "It does not leave this installation, and is not signed." in text


@pytest.fixture
def answers(monkeypatch):
    """What the Lapp answers, without a process."""

    class Answers:
        answer: Response | Failure = Response(200, "OK", (("Content-Type", "application/json"),), b'{"Status":"x"}', 14)
        asked: Request

        def send(self, request: Request, *, deadline: float) -> Response | Failure:
            self.asked = request
            return self.answer

    answers = Answers()
    monkeypatch.setattr(deliver, "lapps", lambda: answers)
    return answers


def test_send_test_and_the_history_show_the_call_and_its_answer(manager, webhook, answers):
    response = manager.post(url("test", webhook.pk), follow=True)
    assert "Test answered 200" in Page(response).text
    assert json.loads(answers.asked.body)["ProspectID"] and answers.asked.header("webhook-test") == "true"
    delivery = webhook.deliveries.get()
    text = Page(manager.get(reverse("admin:webhooks_delivery_change", args=[delivery.pk]))).text
    assert "LAPP lapp:follow_up?entityType=webhook" in text and '"Status"' in text
    assert "Copy as curl" not in text
    assert "Follow" in Page(manager.get(reverse("admin:webhooks_delivery_changelist"))).text


def test_a_lapp_that_fails_is_told_like_any_failure(manager, webhook, answers):
    answers.answer = Failure(
        FailureKind.TIMEOUT, "timed out. The Lapp had not ended within 15 s, and was ended.", 15000.0
    )
    text = Page(manager.post(url("test", webhook.pk), follow=True)).text
    assert "Test failed: timed out. The Lapp had not ended within 15 s, and was ended." in text


def test_the_test_inbox_has_no_page_for_it(manager, crm, webhook):
    inbox = reverse("admin:webhooks_inbox")
    assert "Follow" not in Page(manager.get(inbox)).text
