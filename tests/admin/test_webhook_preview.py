"""Preview: the request of a form that is not saved, byte for byte as it would go, with nothing stored or sent."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from leads.models import LeadList
from tests import factories
from tests.admin.conftest import new_user
from tests.admin.page import Page
from tests.admin.webhook_form import filled, new, rows, url
from webhooks.dialects import DIALECTS
from webhooks.models import Delivery, Event, Webhook
from webhooks.outbound.compose import MASK
from webhooks.wire import signature
from webhooks.wire.verdict import Proof

SECRET = "current-secret-current-secret-current-secre"


@pytest.fixture
def manager(crm, sign_in):
    return sign_in(crm.manager)


@pytest.fixture
def webhook(crm):
    return factories.webhook(
        "https://hooks.example.com/in",
        account=crm.account,
        secret=SECRET,
        custom_headers={"X-Api-Key": "hush-hush"},
    )


def preview(client, fields: Any, webhook: Any = None, **headers: Any):
    address = url("preview", webhook.pk) if webhook else url("new_preview")
    return client.post(address, fields, **({"HTTP_HX_REQUEST": "true"} | headers))


def raw(response) -> bytes:
    """The body as it stands in the page."""
    text = response.content.decode()
    start = text.index('id="body-preview"')
    return html.unescape(text[text.index(">", start) + 1 : text.index("</pre>", start)]).encode()


def headers(response) -> dict[str, str]:
    text = response.content.decode()
    parts = text.split("<dt>")[1:]
    return {
        part.split("</dt>")[0]: html.unescape(part.split("<dd")[1].split(">", 1)[1].split("</dd>")[0]) for part in parts
    }


# What it is of


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_without_events_it_shows_the_systems_own_sample(manager, crm, dialect):
    response = preview(manager, new(manager, dialect=dialect))
    # The first event of LeadSquared's list is an activity.
    event, many = DIALECTS[dialect].events[0], DIALECTS[dialect].sample_many
    sample = many(event, {}) if many else DIALECTS[dialect].sample({})
    assert raw(response) == sample
    label = DIALECTS[dialect].label
    text = Page(response).text
    assert f"No stored event would be heard: this is {label}'s own sample, as Send Test sends it." in text
    assert f"Body, {len(sample):,} bytes" in text or "kB" in text
    assert "POST https://hooks.example.com/in" in text and headers(response)["Content-Type"] == "application/json"


@pytest.mark.parametrize("dialect", ["standard", "leadpro", "save_lead", "leadhub"])
def test_with_events_it_shows_the_newest_one(manager, crm, dialect):
    factories.lead(first_name="Ada", email="ada@example.com")
    lead = factories.lead(first_name="Grace", last_name="Hopper", email="grace@example.com")
    response = preview(manager, new(manager, dialect=dialect))
    event = Event.objects.filter(record_id=lead.pk).latest("pk")
    name = DIALECTS[dialect].hears(event.frozen)
    assert raw(response) == DIALECTS[dialect].render(event.frozen, name, {})
    assert f"The newest event that it would hear: {name} of Grace Hopper" in Page(response).text
    assert headers(response)["webhook-id"] == f"msg_{event.uid}_new"
    assert headers(response)["webhook-record"] == f"lead/{lead.pk};version=1"


def test_it_is_the_newest_that_events_offices_and_filters_let_through(manager, crm):
    newsletter = LeadList.objects.create(account=crm.account, name="Newsletter")
    factories.lead(office=crm.leeds, first_name="Fits", lists=["Newsletter"])
    factories.lead(office=crm.york, first_name="Elsewhere", lists=["Newsletter"])
    factories.lead(office=crm.leeds, first_name="Unlisted")
    fields = new(manager, ("lists", "one_of", [newsletter.pk]), offices=[str(crm.leeds.pk)])
    assert json.loads(raw(preview(manager, fields)))["data"]["first_name"] == "Fits"
    fields["leadpro__events"] = ["lead.updated"]
    assert "No stored event would be heard" in Page(preview(manager, fields)).text


def test_another_accounts_events_are_not_shown(manager, crm):
    factories.lead(account=crm.other, first_name="Strange")
    response = preview(manager, new(manager))
    assert "Strange" not in response.content.decode() and "own sample" in response.content.decode()


def test_a_superusers_is_of_the_account_that_is_chosen(sign_in, crm):
    factories.lead(account=crm.other, first_name="Theirs")
    factories.lead(first_name="Ours")
    client = sign_in(crm.superuser)
    response = preview(client, new(client, account=str(crm.other.pk)))
    assert json.loads(raw(response))["data"]["first_name"] == "Theirs"


def test_settings_of_the_form_decide_before_they_are_stored(manager, crm, webhook):
    factories.lead()
    put = preview(manager, new(manager, dialect="save_lead", name="Enrichment", save_lead__method="PUT"))
    assert "PUT https://hooks.example.com/in" in Page(put).text
    fields = filled(manager, url("change", webhook.pk), leadpro__prefix="", url="https://new.example/in")
    response = preview(manager, fields, webhook)
    assert not headers(response)["Authorization"].startswith("Bearer")
    assert "POST https://new.example/in" in Page(response).text
    webhook.refresh_from_db()
    assert (webhook.url, webhook.settings) == ("https://hooks.example.com/in", {})


def test_http_takes_the_secret_out_of_the_headers_where_the_system_says_so(manager):
    typed = {"dialect": "leadengine", "typed_secret": "shared-secret"}
    secure, plain = (
        preview(manager, new(manager, **typed, url=f"{scheme}://hooks.example.com/in")) for scheme in ("https", "http")
    )
    assert headers(secure)["X-LeadEngine-Secret"] == MASK
    assert "X-LeadEngine-Secret" not in headers(plain)


# Signatures and secrets


def test_a_stored_webhook_signs_with_its_own_secret(manager, webhook):
    response = preview(manager, filled(manager, url("change", webhook.pk)), webhook)
    shown = headers(response)
    assert DIALECTS["leadpro"].verify(raw(response), shown, [SECRET]).outcome is Proof.VERIFIED
    assert signature.standard_proof(raw(response), shown, [SECRET]).outcome is Proof.VERIFIED
    assert f"It is signed with …{SECRET[-4:]}, the secret in use." in Page(response).text
    assert SECRET not in response.content.decode()


def test_custom_headers_are_masked_typed_ones_too(manager, webhook):
    fields = filled(manager, url("change", webhook.pk))
    names = {"name": ["X-Api-Key", "X-New"], "value": [MASK, "just-typed"], "was": ["X-Api-Key", ""]}
    fields |= {f"headers.{name}": values for name, values in names.items()}
    response = preview(manager, fields, webhook)
    assert (headers(response)["X-Api-Key"], headers(response)["X-New"]) == (MASK, MASK)
    assert "hush-hush" not in response.content.decode() and "just-typed" not in response.content.decode()


@pytest.mark.parametrize("dialect", ["standard", "leadpro"])
def test_a_new_webhook_signs_with_a_throwaway_secret(manager, dialect):
    one, other = (headers(preview(manager, new(manager, dialect=dialect))) for _ in range(2))
    assert one["webhook-signature"] and one["webhook-signature"] != other["webhook-signature"]
    text = Page(preview(manager, new(manager, dialect=dialect))).text
    assert "It is signed with a throwaway secret: the webhook's own is made when you save it." in text


def test_where_a_secret_is_optional_the_form_decides(manager):
    unsigned = preview(manager, new(manager, dialect="leadhub"))
    assert "X-LeadHub-Signature" not in headers(unsigned) and "It is not signed" in Page(unsigned).text
    typed = preview(manager, new(manager, dialect="leadhub", typed_secret="s3cret of theirs"))
    assert headers(typed)["X-LeadHub-Signature"] == signature.sign_hmac_sha256(raw(typed), "s3cret of theirs")
    assert "the secret that you typed" in Page(typed).text and "s3cret of theirs" not in typed.content.decode()
    generated = preview(manager, new(manager, dialect="leadhub", generate_secret="on"))
    assert "throwaway" in Page(generated).text and headers(generated)["X-LeadHub-Signature"]


def test_a_secret_that_is_lost_is_said(manager, webhook, settings):
    fields = filled(manager, url("change", webhook.pk))
    settings.WEBHOOK_ENCRYPTION_KEYS = ["b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktMTI="]
    text = Page(preview(manager, fields, webhook)).text
    assert "It cannot be sent like this. a stored secret cannot be decrypted" in text


# Nothing happens


def test_nothing_is_stored_and_nothing_sent(manager, webhook, receiver):
    factories.lead()
    stored = Webhook.objects.values().get()
    events, deliveries = Event.objects.count(), Delivery.objects.count()
    with CaptureQueriesContext(connection) as queries:
        preview(manager, filled(manager, url("change", webhook.pk), url=receiver.url, name="Other"), webhook)
        preview(manager, new(manager, name="Another", generate_secret="on", dialect="leadhub"))
    assert [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []
    assert Webhook.objects.values().get() == stored
    assert (Event.objects.count(), Delivery.objects.count()) == (events, deliveries)
    assert receiver.received == []


def test_a_form_with_errors_says_them(manager, webhook):
    fields = filled(manager, url("change", webhook.pk), url="ftp://x", name=None) | rows(("score", "less", "many"))
    text = Page(preview(manager, fields, webhook)).text
    assert "There is no preview yet: the form has errors." in text
    assert "Webhook URL: " in text and "Name: This field is required." in text
    assert "Filters: Score must be compared with a whole number" in text


def test_a_body_that_cannot_be_written_is_said(manager, crm, monkeypatch):
    factories.lead()

    def fails(*_: Any) -> bytes:
        raise KeyError("first_name")

    from dataclasses import replace

    monkeypatch.setitem(DIALECTS, "leadpro", replace(DIALECTS["leadpro"], render=fails))
    assert "It cannot be written as LeadPro: KeyError" in Page(preview(manager, new(manager))).text


def test_what_is_in_a_lead_is_escaped(manager, crm):
    factories.lead(first_name="<script>alert(1)</script>", last_name="<b>")
    assert "<script>alert" not in preview(manager, new(manager)).content.decode()


# Who may, and how


@pytest.mark.parametrize(
    ("who", "status"), [("other_manager", 404), ("auditor", 403), ("staff", 403), ("powerless", 403), ("outsider", 302)]
)
def test_who_may_not_preview(crm, sign_in, manager, webhook, who, status):
    factories.lead(first_name="Olive")
    response = preview(sign_in(getattr(crm, who)), filled(manager, url("change", webhook.pk)), webhook)
    assert response.status_code == status and "Olive" not in response.content.decode()
    if who != "other_manager":
        assert preview(sign_in(getattr(crm, who)), new(manager)).status_code == status


def test_without_the_right_to_payloads_it_is_the_sample(crm, sign_in, manager):
    from django.contrib.auth.models import Permission

    factories.lead(first_name="Olive")
    admin = new_user("plumber", crm.account)
    admin.user_permissions.add(*Permission.objects.filter(codename__in=("add_webhook", "view_webhook")))
    response = preview(sign_in(admin), new(manager))
    assert "You may not view payloads" in Page(response).text and "Olive" not in response.content.decode()


def test_it_takes_nothing_but_a_post_of_the_form(manager, crm, webhook):
    assert manager.get(url("preview", webhook.pk)).status_code == 405
    assert manager.get(url("new_preview")).status_code == 405
    assert manager.post("/admin/webhooks/webhook/999999/preview/").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(crm.manager)
    assert strict.post(url("new_preview"), {}).status_code == 403


def test_without_scripts_it_is_a_page_of_its_own(manager, webhook):
    page = manager.get(url("change", webhook.pk)).content.decode()
    assert f'formaction="{url("preview", webhook.pk)}"' in page
    assert f'formaction="{url("new_preview")}"' in manager.get(url("add")).content.decode()
    response = manager.post(url("preview", webhook.pk), filled(manager, url("change", webhook.pk)))
    assert "Preview | " in Page(response).text and "Go back in your browser" in Page(response).text
    assert "no-store" in response["Cache-Control"]


def test_an_auditor_is_offered_none(crm, sign_in, webhook):
    assert "formaction" not in sign_in(crm.auditor).get(url("change", webhook.pk)).content.decode()
