"""The form follows the record of each system: cards, fields, secrets, names, addresses."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from tests import factories
from tests.admin.page import Page
from tests.admin.webhook_form import errors, filled, new, url
from webhooks.admin.webhook_form import conditions
from webhooks.dialects import DIALECTS
from webhooks.models import Delivery, Webhook
from webhooks.outbound import deliver, rotation
from webhooks.outbound.compose import MASK

OPTIONAL = [dialect.name for dialect in DIALECTS.values() if dialect.secret == "optional"]
ALWAYS = [dialect.name for dialect in DIALECTS.values() if dialect.secret == "always"]
WHSEC = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


@pytest.fixture
def manager(crm, sign_in):
    return sign_in(crm.manager)


def add(client, **changes: Any):
    return client.post(url("add"), new(client, **changes))


# Cards and fields


def test_there_is_a_card_for_each_system_and_the_first_is_chosen(manager):
    page = manager.get(url("add"))
    assert re.findall(r'name="dialect" value="(\w+)"', page.content.decode()) == list(DIALECTS)
    assert Page(page).form("webhook_form")["dialect"] == ["standard"]
    for dialect in DIALECTS.values():
        assert dialect.label in Page(page).text and dialect.description in Page(page).text


@pytest.mark.slow
def test_every_system_can_be_added_and_kept_as_it_is(manager):
    for dialect in DIALECTS.values():
        assert add(manager, dialect=dialect.name, name=dialect.label).status_code == 302
        webhook = Webhook.objects.get(name=dialect.label)
        heard = dialect.events[:1] if dialect.one_event else dialect.events
        assert (webhook.dialect, webhook.events) == (dialect.name, list(heard))
        assert webhook.settings == {setting.name: setting.default for setting in dialect.settings}
        manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk)))
        again = Webhook.objects.get(pk=webhook.pk)
        columns = {field.attname for field in Webhook._meta.concrete_fields}
        assert {name for name in columns if getattr(again, name) != getattr(webhook, name)} == set()


def test_events_are_called_what_the_system_calls_them(manager, crm, sign_in):
    assert "Lead Status Updated" in Page(manager.get(url("add"))).text
    assert "Lead saved" in Page(manager.get(url("add"))).text
    webhook = factories.webhook(account=crm.account, dialect="save_lead")
    assert "Events Lead saved" in Page(sign_in(crm.auditor).get(url("change", webhook.pk))).text


def test_a_switch_of_a_system_is_on_or_off(manager, crm, sign_in):
    for value, stored in (("on", True), (None, False)):
        Webhook.objects.all().delete()
        add(manager, dialect="leadengine", leadengine__omit_empty=value)
        assert Webhook.objects.get().settings == {"omit_empty": stored}
    webhook = Webhook.objects.get()
    fields = filled(manager, url("change", webhook.pk), leadengine__omit_empty="on")
    manager.post(url("change", webhook.pk), fields)
    webhook.refresh_from_db()
    assert webhook.settings == {"omit_empty": True}
    assert Page(manager.get(url("change", webhook.pk))).form("webhook_form")["leadengine__omit_empty"] == ["on"]
    assert "Leave out empty fields: Yes" in Page(sign_in(crm.auditor).get(url("change", webhook.pk))).text


def test_the_method_is_chosen_and_named_beside_the_url(manager):
    add(manager, dialect="save_lead", save_lead__method="PATCH")
    assert Webhook.objects.get().settings == {"method": "PATCH"}
    assert "save_lead__method" in errors(add(manager, dialect="save_lead", save_lead__method="DELETE"))
    assert 'x-text="save_lead__method || &#x27;POST&#x27;"' in manager.get(url("add")).content.decode()


def test_headers_that_are_the_format_itself_cannot_be_switched_off(manager):
    assert "standard" not in conditions()["send_webhook_headers"]
    add(manager, dialect="standard", send_webhook_headers=None)
    assert Webhook.objects.get().send_webhook_headers is True
    add(manager, dialect="leadpro", send_webhook_headers=None, name="Other")
    assert Webhook.objects.get(name="Other").send_webhook_headers is False


# Secrets


@pytest.mark.parametrize("dialect", ALWAYS)
def test_some_systems_always_sign(manager, dialect):
    response = add(manager, dialect=dialect, typed_secret="mine")
    webhook = Webhook.objects.get()
    assert webhook.secret and webhook.secret != "mine" and webhook.secret_since
    assert webhook.secret in manager.get(response["Location"]).content.decode()


def test_standard_webhooks_are_given_a_secret_of_theirs(manager):
    add(manager, dialect="standard")
    secret = Webhook.objects.get().secret
    assert secret.startswith("whsec_") and len(base64.b64decode(secret[6:])) == 32


@pytest.mark.parametrize("dialect", OPTIONAL)
def test_the_others_are_born_without_one_unless_staff_want_it(manager, dialect):
    response = add(manager, dialect=dialect)
    webhook = Webhook.objects.get()
    assert (webhook.secret, webhook.secret_since) == ("", None)
    text = Page(manager.get(response["Location"])).text
    assert "no signing secret" in text and "Copy the signing secret now" not in text


@pytest.mark.parametrize("dialect", OPTIONAL)
def test_one_is_generated_and_shown_once(manager, dialect):
    response = add(manager, dialect=dialect, generate_secret="on")
    webhook = Webhook.objects.get()
    assert len(webhook.secret) == 43
    assert webhook.secret in manager.get(response["Location"]).content.decode()
    assert webhook.secret not in manager.get(response["Location"]).content.decode()


@pytest.mark.parametrize("dialect", OPTIONAL)
@pytest.mark.parametrize("typed", ["the receiver's own", WHSEC])
def test_one_is_typed_and_never_shown(manager, dialect, typed):
    response = add(manager, dialect=dialect, typed_secret=typed)
    webhook = Webhook.objects.get()
    assert webhook.secret == typed and timezone.now() - webhook.secret_since < timedelta(minutes=1)
    page = manager.get(response["Location"])
    assert typed not in page.content.decode() and f"…{typed[-4:]}" in Page(page).text
    assert typed not in str(LogEntry.objects.values())


@pytest.mark.parametrize(
    ("dialect", "typed", "words"),
    [
        ("leadhub", "whsec_not base64!", "After whsec_, a secret is base64"),
        ("leadhub", "whsec_", "After whsec_, a secret is base64"),
        ("leadhub", "whsec_abc", "After whsec_, a secret is base64"),
        ("leadhub", " padded ", "no blanks around them"),
        ("leadhub", "   ", "at least one character"),
        ("leadhub", "two\tparts", "printable characters"),
        ("leadhub", "s" * 256, "at most 255"),
        ("leadengine", "Schlüssel", "LeadEngine gets the secret in a header: it may have printable ASCII only."),
    ],
)
def test_a_secret_that_cannot_be_one_is_refused_without_repeating_it(manager, dialect, typed, words):
    found = str(errors(add(manager, dialect=dialect, typed_secret=typed))["typed_secret"])
    assert words in found and (len(typed) < 8 or typed not in found)
    assert not Webhook.objects.exists()


def test_a_secret_need_not_be_ascii_where_it_only_signs(manager):
    assert add(manager, dialect="leadhub", typed_secret="Schlüssel").status_code == 302


def test_typed_and_generated_together_is_refused(manager):
    found = errors(add(manager, dialect="leadhub", typed_secret="mine", generate_secret="on"))
    assert "not both" in str(found["typed_secret"])


def test_a_form_that_is_refused_keeps_the_typed_secret(manager):
    """Lost in silence, the webhook would be unsigned."""
    response = add(manager, dialect="leadhub", typed_secret="mine and theirs", url="ftp://x")
    assert Page(response).form("webhook_form")["typed_secret"] == ["mine and theirs"]


def test_a_stored_webhook_has_no_secret_in_its_form(manager, crm):
    webhook = factories.webhook(account=crm.account, dialect="leadhub", secret="current")
    fields = filled(manager, url("change", webhook.pk))
    assert not {"typed_secret", "generate_secret"} & set(fields)
    manager.post(url("change", webhook.pk), fields | {"typed_secret": ["other"], "generate_secret": ["on"]})
    webhook.refresh_from_db()
    assert webhook.secret == "current"


def act(client, action: str, webhook: Webhook, **data: str):
    return client.post(url(action, webhook.pk), {"_form_submitted": "True", **data})


@pytest.mark.parametrize("dialect", OPTIONAL)
def test_later_one_is_typed_where_the_receiver_has_it(manager, crm, dialect):
    webhook = factories.webhook(account=crm.account, dialect=dialect, secret="")
    response = act(manager, "generate", webhook, typed_secret=WHSEC)
    webhook.refresh_from_db()
    assert webhook.secret == WHSEC
    assert WHSEC not in manager.get(response["Location"]).content.decode()
    response = act(manager, "rotate", webhook, overlap="1", typed_secret="the next of theirs")
    webhook.refresh_from_db()
    assert (webhook.secret, webhook.next_secret) == (WHSEC, "the next of theirs")
    assert "the next of theirs" not in manager.get(response["Location"]).content.decode()


@pytest.mark.parametrize("action", ["generate", "rotate"])
def test_a_typed_one_that_cannot_be_is_refused_in_the_dialog(manager, crm, action):
    webhook = factories.webhook(account=crm.account, dialect="leadhub", secret="" if action == "generate" else "now")
    response = act(manager, action, webhook, overlap="1", typed_secret="whsec_!!!")
    assert response.status_code == 200 and "After whsec_, a secret is base64" in Page(response).text
    webhook.refresh_from_db()
    assert webhook.next_secret == "" and webhook.secret in ("", "now")


@pytest.mark.parametrize("dialect", ALWAYS)
def test_nobody_types_one_for_a_system_that_makes_its_own(manager, crm, dialect):
    webhook = factories.webhook(account=crm.account, dialect=dialect, secret="")
    assert "typed_secret" not in Page(manager.get(url("generate", webhook.pk))).names
    act(manager, "generate", webhook, typed_secret="mine")
    webhook.refresh_from_db()
    assert webhook.secret not in ("", "mine")


def test_the_dialog_says_who_signs_meanwhile(manager, crm):
    standard = factories.webhook(account=crm.account, dialect="standard", secret=WHSEC)
    leadpro = factories.webhook(account=crm.account, dialect="leadpro")
    assert "both sign: the receiver may know either" in Page(manager.get(url("rotate", standard.pk))).text
    assert "the current one signs." in Page(manager.get(url("rotate", leadpro.pk))).text


@pytest.mark.parametrize("typed", ["whsec_!!!", " ", "s" * 256])
def test_rotation_itself_refuses_what_cannot_be_a_secret(crm, typed):
    webhook = factories.webhook(account=crm.account, dialect="leadhub", secret="")
    with pytest.raises(ValueError, match="secret"):
        rotation.generate(webhook.pk, typed)
    Webhook.objects.update(secret="now")
    with pytest.raises(ValueError, match="secret"):
        rotation.rotate(webhook.pk, timedelta(days=1), typed)


# Names


@pytest.mark.parametrize(("first", "second"), [("save_lead",) * 2, ("leadpro", "save_lead"), ("save_lead", "leadhub")])
@pytest.mark.parametrize("name", ["Lead tracking", "lead TRACKING", "  Lead   tracking "])
def test_a_name_is_taken_once_in_an_account_where_a_system_wants_that(manager, crm, name, first, second):
    add(manager, dialect=first, name="Lead tracking")
    found = errors(add(manager, dialect=second, name=name))
    assert "This account has a webhook named Lead tracking." in str(found["name"])
    assert Webhook.objects.count() == 1


def test_a_name_is_free_for_another_account_systems_that_do_not_mind_and_the_webhook_itself(manager, crm, sign_in):
    add(manager, dialect="save_lead", name="Straße")
    assert "name" in errors(add(manager, dialect="save_lead", name="STRASSE"))
    assert add(sign_in(crm.other_manager), dialect="save_lead", name="Straße").status_code == 302
    for system in ("leadhub", "leadpro"):
        assert add(manager, dialect=system, name="Allee").status_code == 302
    webhook = Webhook.objects.get(account=crm.account, dialect="save_lead")
    fields = filled(manager, url("change", webhook.pk), name="straße")
    assert manager.post(url("change", webhook.pk), fields).status_code == 302


def test_a_webhook_cannot_take_the_name_by_changing(manager, crm):
    add(manager, dialect="leadpro", name="Lead tracking")
    add(manager, dialect="leadhub", name="Lead tracking")
    other = Webhook.objects.get(dialect="leadhub")
    fields = filled(manager, url("change", other.pk), dialect="save_lead")
    assert "name" in errors(manager.post(url("change", other.pk), fields))


# Addresses


@pytest.mark.parametrize("view", ["add", "change"])
def test_the_operators_addresses_stand_in_the_form_ready_to_be_copied(manager, crm, settings, view):
    webhook = factories.webhook(account=crm.account)
    address = url(view, *([webhook.pk] if view == "change" else []))
    assert "They come from" not in Page(manager.get(address)).text
    settings.WEBHOOK_SENDING_ADDRESSES = ["203.0.113.7", "2001:db8:7::/64"]
    page = manager.get(address)
    assert "They come from 203.0.113.7, 2001:db8:7::/64" in Page(page).text
    assert 'data-copy="203.0.113.7, 2001:db8:7::/64"' in page.content.decode()


# Send Test


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_send_test_sends_the_systems_own_sample(manager, crm, receiver, settings, dialect):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    webhook = factories.webhook(
        receiver.url, account=crm.account, dialect=dialect, secret=WHSEC, custom_headers={"X-Key": "hush"}
    )
    page = manager.post(url("test", webhook.pk), follow=True)
    deliver.door.cache_clear()
    (request,) = receiver.received
    assert request.body == DIALECTS[dialect].sample({})
    assert request.header("webhook-test") == "true"
    assert Delivery.objects.get().test and "Test answered 200" in Page(page).text
    assert "hush" not in page.content.decode() and MASK in page.content.decode()
