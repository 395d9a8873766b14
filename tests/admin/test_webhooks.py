"""Webhooks in the admin: the list, the form, the secret, every action, and who may do what."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests import factories
from tests.admin.deliveries import failed, made, put, succeeded
from tests.admin.page import Page
from tests.admin.webhook_form import new
from tests.program import free_port
from tests.receiver import Answer
from webhooks.admin import webhook_form
from webhooks.dialects import DIALECTS
from webhooks.models import Delivery, State, Status, Webhook
from webhooks.outbound import deliver, rotation, switch
from webhooks.outbound.compose import MASK
from webhooks.wire.dialect import Setting

SECRET = "current-secret-current-secret-current-secre"

ACTIONS = ("pause", "resume", "disable", "enable", "rotate", "switch_now", "generate", "remove")
# The state and secret that each action needs, and what it asks for.
NEEDS: dict[str, dict[str, Any]] = {
    "resume": {"state": State.PAUSED},
    "enable": {"state": State.DISABLED},
    "switch_now": {"next_secret": "next-secret-" * 4, "next_secret_at": timezone.now() + timedelta(days=1)},
    "generate": {"secret": ""},
}
ASKED: dict[str, dict[str, str]] = {"rotate": {"overlap": "1"}}


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    clear = deliver.door.cache_clear
    clear()
    yield
    clear()


@pytest.fixture
def webhook(crm):
    return factories.webhook(
        "https://hooks.example.com/in",
        account=crm.account,
        secret=SECRET,
        secret_since=timezone.now() - timedelta(days=42),
        custom_headers={"X-Api-Key": "hush-hush"},
    )


@pytest.fixture
def manager(crm, sign_in):
    return sign_in(crm.manager)


def url(view, *args):
    return reverse(f"admin:webhooks_webhook_{view}", args=args)


def filled(client, address, **changes):
    """The form of a page as a browser would send it, changed; None takes a field away."""
    fields = Page(client.get(address)).form("webhook_form")
    for name, value in changes.items():
        fields.pop(name, None)
        if value is not None:
            fields[name] = value if isinstance(value, list) else [value]
    return fields


def act(client, action, webhook, **data):
    return client.post(url(action, webhook.pk), {"_form_submitted": "True", **ASKED.get(action, {}), **data})


def add(client, **changes):
    return client.post(url("add"), new(client, **changes))


def errors(response):
    assert response.status_code == 200
    return response.context["adminform"].form.errors


def columns():
    """All that is stored of the webhook, decrypted."""
    webhook = Webhook.objects.get()
    return {field.name: getattr(webhook, field.attname) for field in Webhook._meta.concrete_fields}


# Adding


def test_a_new_webhook_has_a_secret_that_is_shown_once(manager, crm):
    response = add(manager)
    webhook = Webhook.objects.get()
    assert (webhook.account, webhook.state, webhook.dialect) == (crm.account, State.ENABLED, "leadpro")
    assert webhook.events == ["lead.created", "lead.updated"]
    assert webhook.settings == {"prefix": "Bearer"}
    assert len(webhook.secret) == 43
    assert response["Location"] == url("change", webhook.pk)
    page = manager.get(response["Location"])
    assert webhook.secret in page.content.decode()
    assert "Copy the signing secret now. It is not shown again." in Page(page).text
    assert "no-store" in page["Cache-Control"]
    assert webhook.secret not in manager.get(response["Location"]).content.decode()


def test_a_secret_is_nowhere_but_on_that_page(manager, caplog):
    add(manager)
    webhook = Webhook.objects.get()
    for session in Session.objects.all():
        assert webhook.secret not in str(session.get_decoded())
    manager.get(url("change", webhook.pk))
    for entry in LogEntry.objects.all():
        assert webhook.secret not in str(vars(entry))
    for view in (url("changelist"), url("change", webhook.pk), url("delete", webhook.pk), url("rotate", webhook.pk)):
        assert webhook.secret not in manager.get(view).content.decode()
    assert webhook.secret not in caplog.text
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM webhooks_webhook")
        assert webhook.secret not in str(cursor.fetchall())


def test_a_colleague_does_not_see_it_either(manager, crm, sign_in):
    add(manager)
    webhook = Webhook.objects.get()
    assert webhook.secret not in sign_in(crm.superuser).get(url("change", webhook.pk)).content.decode()


def test_the_promise_to_show_it_runs_out(manager, monkeypatch):
    add(manager)
    webhook = Webhook.objects.get()
    monkeypatch.setattr("webhooks.admin.reveal.time.time", lambda: timezone.now().timestamp() + 121)
    assert webhook.secret not in manager.get(url("change", webhook.pk)).content.decode()


def test_a_secret_that_somebody_else_made_meanwhile_is_not_shown(manager):
    add(manager)
    webhook = Webhook.objects.get()
    fresh = rotation.rotate(webhook.pk, timedelta(0))
    assert fresh not in manager.get(url("change", webhook.pk)).content.decode()


def test_superusers_choose_the_account_and_only_at_birth(sign_in, crm):
    client = sign_in(crm.superuser)
    assert "account" in errors(add(client))
    add(client, account=str(crm.other.pk))
    webhook = Webhook.objects.get()
    assert webhook.account == crm.other
    client.post(url("change", webhook.pk), filled(client, url("change", webhook.pk), account=str(crm.account.pk)))
    webhook.refresh_from_db()
    assert webhook.account == crm.other


def test_managers_cannot_choose_the_account(manager, crm):
    assert "account" not in Page(manager.get(url("add"))).names
    add(manager, account=str(crm.other.pk))
    assert Webhook.objects.get().account == crm.account


def test_the_second_webhook_of_leadpro_is_warned_of(manager):
    assert "knows one endpoint" not in Page(manager.get(url("add"))).text
    response = add(manager)
    assert "knows one endpoint" not in Page(manager.get(response["Location"])).text
    assert "This account has 1 LeadPro webhook already." in Page(manager.get(url("add"))).text
    response = add(manager, name="Staging")
    assert "has 2 LeadPro webhooks now." in Page(manager.get(response["Location"])).text


def test_the_form_says_where_receivers_often_stop(manager):
    assert "receivers often stop at 8 kB" in Page(manager.get(url("add"))).text


# The form


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hooks.example.com/in", "It has to begin with https:// or http://."),
        ("ftp://hooks.example.com/", "It has to begin with https:// or http://."),
        ("https://hooks.example.com/a b", "percent-encode it"),
        ("http://127.0.0.1\\@hooks.example.com/", "percent-encode it"),
        ("https://user:pass@hooks.example.com/", "put credentials into a custom header"),
        ("https://10.0.0.1/", "Address not allowed. Webhooks may not call 10.0.0.1."),
        ("http://169.254.169.254/latest", "Address not allowed."),
        ("https://[::1]/", "Address not allowed."),
        ("http://localhost:8000/", "Address not allowed."),
        ("https://hooks.example.com:22/", "Its port may be 80, 443, or 1024 and above."),
        ("https://2130706433/", "Its host is neither a name nor four plain numbers."),
    ],
)
def test_a_url_that_cannot_be_called_is_refused_with_words(manager, address, words):
    assert words in str(errors(add(manager, url=address))["url"])
    assert not Webhook.objects.exists()


def test_http_is_refused_where_https_is_required(manager, settings):
    settings.WEBHOOK_REQUIRE_HTTPS = True
    settings.WEBHOOK_ALLOWLIST = []
    deliver.door.cache_clear()
    assert "requires https" in str(errors(add(manager, url="http://hooks.example.com/"))["url"])


def test_http_is_allowed_with_a_warning(manager):
    assert webhook_form.UNENCRYPTED in manager.get(url("add")).content.decode()
    assert add(manager, url="http://hooks.example.com/").status_code == 302


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"url": None}, "url"),
        ({"dialect": "morse"}, "dialect"),
        ({"leadpro__events": None}, "leadpro__events"),
        ({"leadpro__events": ["lead.created", "lead.exploded"]}, "leadpro__events"),
        ({"leadpro__prefix": "Basic"}, "leadpro__prefix"),
        ({"timeout": "0"}, "timeout"),
        ({"timeout": "31"}, "timeout"),
        ({"timeout": "1.5"}, "timeout"),
        ({"rate_limit": "0"}, "rate_limit"),
        ({"rate_limit": "1001"}, "rate_limit"),
        ({"rate_limit": "-1"}, "rate_limit"),
        ({"rate_limit": "2.5"}, "rate_limit"),
        ({"rate_limit": "fast"}, "rate_limit"),
        ({"offices": ["999999"]}, "offices"),
        ({"offices": ["9" * 30]}, "offices"),
    ],
)
def test_what_does_not_fit_is_refused_by_field(manager, changes, field):
    assert field in errors(add(manager, **changes))
    assert not Webhook.objects.exists()


def test_a_form_that_is_refused_keeps_what_was_typed_and_its_aside(manager, webhook):
    changes = {"name": "Other", "url": "nonsense"}
    response = manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk), **changes))
    assert errors(response)
    page = Page(response)
    assert page.form("webhook_form")["name"] == ["Other"]
    assert "Health" in page.text and "LeadPro · signing secret …" in page.text


def test_offices_are_those_of_the_account(manager, crm, sign_in):
    assert str(crm.whitby) not in Page(manager.get(url("add"))).text
    assert "offices" in errors(add(manager, offices=[str(crm.whitby.pk)]))
    add(manager, offices=[str(crm.leeds.pk), str(crm.york.pk)])
    assert set(Webhook.objects.get().offices.all()) == {crm.leeds, crm.york}
    mixed = {"account": str(crm.other.pk), "offices": [str(crm.leeds.pk)]}
    assert "offices" in errors(add(sign_in(crm.superuser), **mixed))


def test_the_raw_token_is_a_setting(manager, webhook):
    client = manager
    client.post(url("change", webhook.pk), filled(client, url("change", webhook.pk), leadpro__prefix=""))
    webhook.refresh_from_db()
    assert webhook.settings == {"prefix": ""}
    assert Page(client.get(url("change", webhook.pk))).form("webhook_form")["leadpro__prefix"] == [""]


def test_a_setting_that_is_not_posted_keeps_its_default(manager):
    add(manager, leadpro__prefix=None)
    assert Webhook.objects.get().settings == {"prefix": "Bearer"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_rate_and_the_order_are_set_for_every_system(manager, crm, sign_in, dialect):
    add(manager, dialect=dialect)
    webhook = Webhook.objects.get()
    assert (webhook.rate_limit, webhook.keep_order) == (None, False)
    assert "Pace No limit Order Not kept" in Page(manager.get(url("change", webhook.pk))).text
    changes = {"rate_limit": "1000", "keep_order": "on"}
    assert (
        manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk), **changes)).status_code
        == 302
    )
    webhook.refresh_from_db()
    assert (webhook.rate_limit, webhook.keep_order) == (1000, True)
    page = Page(manager.get(url("change", webhook.pk)))
    assert "Pace At most 1000 per second Order Kept per record" in page.text
    assert page.form("webhook_form")["rate_limit"] == ["1000"]
    seen = Page(sign_in(crm.auditor).get(url("change", webhook.pk)))
    assert "Deliveries per second at most 1000" in seen.text
    assert "rate_limit" not in seen.names
    add_nothing = {"rate_limit": "", "keep_order": None}
    manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk), **add_nothing))
    webhook.refresh_from_db()
    assert (webhook.rate_limit, webhook.keep_order) == (None, False)


def test_a_bad_rate_is_told_beside_it_and_nothing_is_stored(manager, webhook):
    changes = {"rate_limit": "1001", "name": "Renamed", "keep_order": "on"}
    response = manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk), **changes))
    assert errors(response) == {"rate_limit": ["Ensure this value is less than or equal to 1000."]}
    webhook.refresh_from_db()
    assert (webhook.name, webhook.rate_limit, webhook.keep_order) == ("LeadPro production", None, False)


def test_a_delay_is_set_where_the_system_has_one(manager, crm, sign_in):
    response = add(manager, dialect="leadsquared", execution_delay="86400")
    assert response.status_code == 302
    webhook = Webhook.objects.get()
    assert webhook.execution_delay == 86_400
    page = Page(manager.get(url("change", webhook.pk)))
    assert page.form("webhook_form")["execution_delay"] == ["86400"]
    assert "Delay 86,400 seconds after the event" in page.text
    assert "Execution delay 86400 s" in Page(sign_in(crm.auditor).get(url("change", webhook.pk))).text
    assert Page(manager.get(url("add") + f"?copy={webhook.pk}")).form("webhook_form")["execution_delay"] == ["86400"]
    manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk), execution_delay=""))
    webhook.refresh_from_db()
    assert webhook.execution_delay == 0


@pytest.mark.parametrize("dialect", [name for name, dialect in DIALECTS.items() if not dialect.delays])
def test_other_systems_have_no_delay(manager, dialect):
    """Their form hides the field, and posts it all the same."""
    assert add(manager, dialect=dialect, execution_delay="-5").status_code == 302
    webhook = Webhook.objects.get()
    assert webhook.execution_delay == 0
    assert "Delay" not in Page(manager.get(url("change", webhook.pk))).text.partition("Webhook ID")[2]


@pytest.mark.parametrize(
    ("delay", "words"),
    [
        ("-1", "Ensure this value is greater than or equal to 0."),
        ("86401", "Ensure this value is less than or equal to 86400."),
        ("1.5", "Enter a whole number."),
    ],
)
def test_a_bad_delay_is_told_beside_it_and_nothing_is_stored(manager, delay, words):
    assert errors(add(manager, dialect="leadsquared", execution_delay=delay)) == {"execution_delay": [words]}
    assert not Webhook.objects.exists()


def test_saving_does_not_touch_state_and_secret(manager, webhook):
    fields = filled(manager, url("change", webhook.pk), name="Renamed", timeout="7", send_webhook_headers=None)
    switch.pause(webhook.pk)
    rotation.rotate(webhook.pk, timedelta(days=1))
    before = Webhook.objects.values("state", "secret", "next_secret", "next_secret_at").get()
    assert manager.post(url("change", webhook.pk), fields).status_code == 302
    assert Webhook.objects.values("state", "secret", "next_secret", "next_secret_at").get() == before
    webhook.refresh_from_db()
    assert (webhook.name, webhook.timeout, webhook.send_webhook_headers) == ("Renamed", 7, False)


@pytest.mark.parametrize(
    "name", ["secret", "next_secret", "state", "account", "account_id", "id", "created_at", "events"]
)
def test_what_the_form_does_not_have_cannot_be_posted(manager, webhook, crm, name):
    before = columns()
    fields = filled(manager, url("change", webhook.pk), **{name: "disabled" if name == "state" else "1"})
    manager.post(url("change", webhook.pk), fields)
    assert columns() == before | {"settings": {"prefix": "Bearer"}}


def test_a_new_webhook_speaks_standard_webhooks_unless_another_system_is_chosen(manager):
    assert Page(manager.get(url("add"))).form("webhook_form")["dialect"] == [next(iter(DIALECTS))] == ["standard"]


# Copy webhook


def test_a_copy_has_everything_but_secret_and_state(manager, crm, webhook):
    Webhook.objects.update(
        description="Twice", timeout=7, keep_order=True, settings={"prefix": ""}, events=["lead.updated"]
    )
    webhook.refresh_from_db()
    webhook.custom_headers = {"X-Api-Key": "hush-hush"}
    webhook.save()
    webhook.offices.add(crm.leeds)
    switch.pause(webhook.pk)
    address = manager.get(url("copy", webhook.pk))["Location"]
    page = manager.get(address)
    assert "hush-hush" not in page.content.decode()
    assert not Webhook.objects.exclude(pk=webhook.pk).exists()
    fields = Page(page).form("webhook_form")
    shown = manager.post(f"{url('new_preview')}?copy={webhook.pk}", fields)
    assert "X-Api-Key" in Page(shown).text and "Enter one" not in Page(shown).text
    assert manager.post(address, fields).status_code == 302
    made = Webhook.objects.exclude(pk=webhook.pk).get()
    same = {field.attname for field in Webhook._meta.concrete_fields} - {
        "id",
        "name",
        "state",
        "state_since",
        "secret",
        "secret_since",
        "created_at",
    }
    assert {name: getattr(made, name) for name in same} == {name: getattr(webhook, name) for name in same}
    assert [office.pk for office in made.offices.all()] == [crm.leeds.pk]
    assert (made.name, made.state) == ("Copy of LeadPro production", State.ENABLED)
    assert made.secret not in ("", webhook.secret)


def test_only_who_may_set_up_a_webhook_copies_it(manager, crm, sign_in, webhook):
    address = f"{url('add')}?copy={webhook.pk}"
    assert sign_in(crm.auditor).get(url("copy", webhook.pk)).status_code == 403
    assert sign_in(crm.auditor).get(address).status_code == 403
    assert sign_in(crm.other_manager).get(url("copy", webhook.pk)).status_code == 404
    assert sign_in(crm.other_manager).get(address).status_code == 404
    for key in ("", "0", "x", "99999999999999999999"):
        assert manager.get(f"{url('add')}?copy={key}").status_code in (200, 404)
    group = crm.manager.groups.get()
    group.permissions.remove(group.permissions.get(codename="change_webhook"))
    assert sign_in(crm.manager).get(address).status_code == 403
    assert sign_in(crm.manager).get(url("add")).status_code == 200


def test_a_copy_of_headers_that_nobody_can_read_has_none(manager, webhook, settings):
    webhook.custom_headers = {"X-Api-Key": "hush-hush"}
    webhook.save()
    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    address = f"{url('add')}?copy={webhook.pk}"
    page = manager.get(address)
    assert webhook_form.UNREADABLE in Page(page).text
    assert manager.post(address, Page(page).form("webhook_form")).status_code == 302
    assert Webhook.objects.exclude(pk=webhook.pk).get().custom_headers == {}


# A second system: what it does not have is dropped


@pytest.fixture
def morse(monkeypatch):
    speed = Setting("speed", "Speed", "", "slow", (("slow", "Slow"), ("fast", "Fast")))
    dialect = replace(DIALECTS["leadpro"], name="morse", label="Morse", events=("lead.created",), settings=(speed,))
    monkeypatch.setitem(DIALECTS, "morse", dialect)


def test_every_system_has_its_own_fields(manager, morse):
    page = manager.get(url("add"))
    assert {"leadpro__events", "leadpro__prefix", "morse__events", "morse__speed"} <= Page(page).names
    assert "dialect == &#x27;morse&#x27;" in page.content.decode() or "dialect == 'morse'" in page.content.decode()


def test_fields_of_the_system_that_is_not_chosen_are_dropped(manager, morse):
    add(manager, dialect="morse", morse__speed="fast", leadpro__prefix="", leadpro__events=["lead.updated"])
    webhook = Webhook.objects.get()
    assert (webhook.events, webhook.settings) == (["lead.created"], {"speed": "fast"})


def test_the_system_cannot_change_while_deliveries_wait(manager, webhook, crm, morse):
    delivery = made(crm.leeds, webhook)
    fields = filled(manager, url("change", webhook.pk), dialect="morse")
    assert "1 delivery waits in the format of LeadPro." in str(
        errors(manager.post(url("change", webhook.pk), fields))["dialect"]
    )
    succeeded(delivery)
    assert manager.post(url("change", webhook.pk), fields).status_code == 302
    webhook.refresh_from_db()
    assert (webhook.dialect, webhook.settings) == ("morse", {"speed": "slow"})


# Custom headers


def headers(*rows):
    """Rows as the browser sends them: (name, value, the stored header that the row shows)."""
    names = ("name", "value", "was")
    return {f"headers.{name}": [row[place] for row in rows] for place, name in enumerate(names)}


def save_headers(client, webhook, *rows):
    return client.post(url("change", webhook.pk), filled(client, url("change", webhook.pk), **headers(*rows)))


def stored(webhook):
    webhook.refresh_from_db()
    return webhook.custom_headers


def test_values_are_shown_masked_and_kept_when_left_untouched(manager, webhook):
    page = manager.get(url("change", webhook.pk))
    assert "hush-hush" not in page.content.decode()
    assert Page(page).form("webhook_form")["headers.value"][0] == MASK
    manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk)))
    assert stored(webhook) == {"X-Api-Key": "hush-hush"}


def test_values_are_encrypted_at_rest(webhook):
    with connection.cursor() as cursor:
        cursor.execute("SELECT custom_headers FROM webhooks_webhook")
        assert "hush" not in str(cursor.fetchall()) and "X-Api-Key" not in str(cursor.fetchall())


def test_rows_are_added_changed_renamed_and_removed(manager, webhook):
    save_headers(manager, webhook, ("X-Api-Key", MASK, "X-Api-Key"), ("X-Source", "crm", ""), ("", "", ""))
    assert stored(webhook) == {"X-Api-Key": "hush-hush", "X-Source": "crm"}
    save_headers(manager, webhook, ("X-Api-Key", "new one", "X-Api-Key"), ("X-Origin", MASK, "X-Source"))
    assert stored(webhook) == {"X-Api-Key": "new one", "X-Origin": "crm"}
    save_headers(manager, webhook)
    assert stored(webhook) == {}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("Host", "evil.example", "")], "Host cannot be set"),
        ([("Content-Length", "1", "")], "Content-Length cannot be set"),
        ([("Transfer-Encoding", "chunked", "")], "Transfer-Encoding cannot be set"),
        ([("Connection", "close", "")], "Connection cannot be set"),
        ([("X Key", "a", "")], "is no header name"),
        ([("", "a", "")], "is no header name"),
        ([("X-Key", "", "")], "X-Key has no value"),
        ([("X-Key", "very-secret\r\nX-Evil: 1", "")], "no line break"),
        ([("X-Key", "very-secret\0", "")], "no line break"),
        ([("X-Key", "very-secret\n", "")], "no line break"),
        ([("X-Key", MASK, "")], "printable ASCII"),
        ([("X-Key", "a", ""), ("x-key", "b", "")], "stands here twice"),
        ([(f"X-{number}", "a", "") for number in range(21)], "at most 20"),
    ],
)
def test_headers_that_do_not_fit_are_refused(manager, webhook, rows, words):
    found = str(errors(save_headers(manager, webhook, *rows))["headers"])
    assert words in found
    assert "very-secret" not in found
    assert stored(webhook) == {"X-Api-Key": "hush-hush"}


# The list


def test_the_list_tells_how_each_webhook_stands(manager, webhook, crm):
    other = factories.webhook(account=crm.account, name="Staging", url="https://staging.example/in")
    failed(made(crm.leeds, webhook))
    succeeded(Delivery.objects.get(webhook=other))
    page = Page(manager.get(url("changelist")))
    assert "LeadPro production" in page.text and "LeadPro · hooks.example.com" in page.text
    assert "500 121 ms" in page.text and "200 121 ms" in page.text
    assert "Never" in page.text
    assert any("webhook=" in link and "status=queued" in link for link in page.links)


def test_a_retry_that_waits_is_the_last_try(manager, webhook, crm):
    delivery = made(crm.leeds, webhook)
    succeeded(delivery)
    later = made(crm.leeds, webhook, email="second@example.com")
    put(later, Status.QUEUED, tries=1, code=503, error="503 Service Unavailable")
    assert "503" in Page(manager.get(url("changelist"))).text


def test_the_list_takes_as_many_queries_for_many(manager, webhook, crm):
    def count():
        manager.get(url("changelist"))
        with CaptureQueriesContext(connection) as queries:
            manager.get(url("changelist"))
        return len(queries)

    succeeded(made(crm.leeds, webhook))
    few = count()
    for number in range(8):
        more = factories.webhook(account=crm.account, name=f"Webhook {number}")
        succeeded(made(crm.leeds, more, email=f"lead{number}@example.com"))
    assert count() == few


def test_the_list_is_searched_and_filtered(manager, webhook, crm):
    factories.webhook(account=crm.account, name="Staging", url="https://staging.example/in", state=State.PAUSED)
    assert "Staging" not in Page(manager.get(url("changelist"), {"q": "production"})).text.split("Add webhook")[1]
    assert "LeadPro production" in Page(manager.get(url("changelist"), {"state__in": "enabled"})).text
    assert "delete_selected" not in manager.get(url("changelist")).content.decode()


def test_an_empty_list_says_what_webhooks_are_for(manager):
    assert "They tell other systems about your leads." in Page(manager.get(url("changelist"))).text


# The page


def test_the_aside_links_each_figure_to_the_rows_behind_it(manager, webhook, crm):
    failed(made(crm.leeds, webhook))
    page = Page(manager.get(url("change", webhook.pk)))
    history = reverse("admin:webhooks_delivery_changelist")
    assert f"{history}?webhook={webhook.pk}&status=failure" in page.links
    assert f"{history}?webhook={webhook.pk}&status=queued&status=held" in page.links
    for link in page.links:
        if link.startswith(history):
            assert manager.get(link).status_code == 200
    assert "0 %" in page.text
    assert f"In use …{SECRET[-4:]}" in page.text and "42 d" in page.text


def test_the_page_shows_the_rotation_that_is_under_way(manager, webhook):
    fresh = rotation.rotate(webhook.pk, timedelta(days=1))
    page = Page(manager.get(url("change", webhook.pk)))
    assert f"Next …{fresh[-4:]}" in page.text and "Signs from" in page.text
    assert url("switch_now", webhook.pk) in page.links
    assert url("rotate", webhook.pk) not in page.links


@pytest.mark.parametrize(
    ("state", "offered", "withheld"),
    [
        (State.ENABLED, {"pause", "disable"}, {"resume", "enable"}),
        (State.PAUSED, {"resume", "disable"}, {"pause", "enable"}),
        (State.DISABLED, {"enable"}, {"pause", "resume", "disable"}),
    ],
)
def test_the_page_offers_what_can_be_done_now(manager, webhook, state, offered, withheld):
    Webhook.objects.update(state=state)
    links = Page(manager.get(url("change", webhook.pk))).links
    assert {name for name in offered | withheld if url(name, webhook.pk) in links} == offered


def test_without_a_secret_one_can_be_generated(manager, webhook):
    rotation.remove(webhook.pk)
    page = Page(manager.get(url("change", webhook.pk)))
    assert url("generate", webhook.pk) in page.links and url("remove", webhook.pk) not in page.links
    assert "None. Requests are not signed." in page.text


# Actions: with the right, without, for another account, by GET


def prepared(webhook, action):
    Webhook.objects.update(**NEEDS.get(action, {}))
    webhook.refresh_from_db()
    return Webhook.objects.values("state", "secret", "next_secret").get()


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_done_by_post_and_said(manager, webhook, action):
    before = prepared(webhook, action)
    response = act(manager, action, webhook)
    assert (response.status_code, response["Location"]) == (302, url("change", webhook.pk))
    assert Webhook.objects.values("state", "secret", "next_secret").get() != before
    assert LogEntry.objects.get().object_id == str(webhook.pk)
    assert 'role="status"' in manager.get(response["Location"]).content.decode()


@pytest.mark.parametrize("action", ACTIONS)
def test_htmx_is_sent_to_the_page(manager, webhook, action):
    prepared(webhook, action)
    data = {"_form_submitted": "True", **ASKED.get(action, {})}
    response = manager.post(url(action, webhook.pk), data, HTTP_HX_REQUEST="true")
    assert (response.status_code, response["HX-Redirect"]) == (200, url("change", webhook.pk))


@pytest.mark.parametrize("action", ACTIONS)
def test_by_get_it_only_asks(manager, webhook, action):
    before = prepared(webhook, action)
    response = manager.get(url(action, webhook.pk), {"_form_submitted": "True", "overlap": "1"})
    assert response.status_code == 200
    assert webhook.name in Page(response).text
    assert Webhook.objects.values("state", "secret", "next_secret").get() == before


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("other_manager", 404),
        ("auditor", 403),
        ("staff", 403),
        ("powerless", 403),
        ("outsider", 302),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_others_may_not(crm, sign_in, webhook, action, who, status, method):
    before = prepared(webhook, action)
    client = sign_in(getattr(crm, who))
    data = {"_form_submitted": "True", **ASKED.get(action, {})}
    response = getattr(client, method)(url(action, webhook.pk), data)
    assert response.status_code == status
    assert webhook.name not in response.content.decode()
    assert Webhook.objects.values("state", "secret", "next_secret").get() == before


@pytest.mark.parametrize("action", [*ACTIONS, "change", "delete"])
@pytest.mark.parametrize("pk", ["999999", "abc", "9" * 30])
def test_what_is_not_there_is_404(manager, webhook, action, pk):
    assert manager.get(f"/admin/webhooks/webhook/{pk}/{action}/").status_code == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_a_superuser_may(crm, sign_in, webhook, action):
    before = prepared(webhook, action)
    act(sign_in(crm.superuser), action, webhook)
    assert Webhook.objects.values("state", "secret", "next_secret").get() != before


@pytest.mark.parametrize("action", ["resume", "enable", "switch_now", "generate"])
def test_what_does_not_fit_the_state_is_said(manager, webhook, action):
    response = act(manager, action, webhook)
    page = manager.get(response["Location"])
    assert "LeadPro production" in Page(page).text
    assert re.search(r"is enabled|no next secret|has a secret already", Page(page).text)
    assert not LogEntry.objects.exists()


def test_a_dialog_counts_exactly(manager, webhook, crm):
    for number in range(3):
        made(crm.leeds, webhook, email=f"lead{number}@example.com")
    succeeded(Delivery.objects.first())
    asked = Page(manager.get(url("pause", webhook.pk))).text
    assert "Pause LeadPro production?" in asked
    assert "2 waiting deliveries and all new ones are held." in asked
    assert "2 waiting deliveries are cancelled." in Page(manager.get(url("disable", webhook.pk))).text
    act(manager, "pause", webhook)
    webhook.refresh_from_db()
    assert (
        "2 held deliveries leave in order, at up to 20 per second." in Page(manager.get(url("resume", webhook.pk))).text
    )
    response = act(manager, "resume", webhook)
    assert "Resumed. 2 deliveries queued." in Page(manager.get(response["Location"])).text


@pytest.mark.parametrize("action", ["rotate", "generate"])
def test_a_fresh_secret_is_shown_once(manager, webhook, action):
    prepared(webhook, action)
    response = act(manager, action, webhook)
    webhook.refresh_from_db()
    fresh = webhook.next_secret or webhook.secret
    assert fresh in manager.get(response["Location"]).content.decode()
    assert fresh not in manager.get(response["Location"]).content.decode()
    assert fresh not in str(LogEntry.objects.values())


@pytest.mark.parametrize("days", range(8))
def test_the_overlap_is_chosen(manager, webhook, days):
    act(manager, "rotate", webhook, overlap=str(days))
    webhook.refresh_from_db()
    if days == 0:
        assert webhook.secret != SECRET and webhook.next_secret == ""
    else:
        left = webhook.next_secret_at - timezone.now()
        assert webhook.secret == SECRET
        assert timedelta(days=days) - timedelta(minutes=1) < left <= timedelta(days=days)


@pytest.mark.parametrize("overlap", ["8", "-1", "", "soon"])
def test_another_overlap_is_refused(manager, webhook, overlap):
    assert act(manager, "rotate", webhook, overlap=overlap).status_code == 200
    webhook.refresh_from_db()
    assert (webhook.secret, webhook.next_secret) == (SECRET, "")


def test_24_hours_are_proposed(manager, webhook):
    assert Page(manager.get(url("rotate", webhook.pk))).forms[0]["overlap"] == ["1"]


# Deleting


def test_deleting_asks_counts_and_keeps_the_history(manager, webhook, crm):
    succeeded(made(crm.leeds, webhook))
    made(crm.leeds, webhook, email="second@example.com")
    asked = Page(manager.get(url("delete", webhook.pk))).text
    assert "Delete LeadPro production?" in asked and "1 waiting delivery is cancelled." in asked
    assert Webhook.objects.exists()
    response = manager.post(url("delete", webhook.pk), {"post": "yes"})
    assert (response.status_code, response["Location"]) == (302, url("changelist"))
    assert "1 delivery cancelled." in Page(manager.get(response["Location"])).text
    assert not Webhook.objects.exists()
    assert sorted(Delivery.objects.values_list("status", "webhook", "webhook_name")) == [
        ("cancelled", None, webhook.name),
        ("success", None, webhook.name),
    ]


@pytest.mark.parametrize(("who", "status"), [("other_manager", 404), ("auditor", 403), ("staff", 404)])
def test_others_may_not_delete(crm, sign_in, webhook, who, status):
    response = sign_in(getattr(crm, who)).post(url("delete", webhook.pk), {"post": "yes"})
    assert response.status_code in (status, 403)
    assert Webhook.objects.exists()


# Who sees


@pytest.mark.parametrize(
    ("who", "listed", "opened"),
    [
        ("manager", 200, 200),
        ("superuser", 200, 200),
        ("auditor", 200, 200),
        ("other_manager", 200, 404),
        ("staff", 403, 404),
        ("powerless", 403, 404),
        ("outsider", 302, 302),
    ],
)
def test_who_sees_a_webhook(crm, sign_in, webhook, who, listed, opened):
    client = sign_in(getattr(crm, who))
    page = client.get(url("changelist"))
    assert page.status_code == listed
    assert (webhook.name in page.content.decode()) == (listed == opened == 200)
    assert client.get(url("change", webhook.pk)).status_code in (opened, 403 if opened == 404 else opened)


def test_an_auditor_sees_no_secret_and_changes_nothing(crm, sign_in, webhook):
    client = sign_in(crm.auditor)
    page = client.get(url("change", webhook.pk))
    assert SECRET not in page.content.decode() and "hush-hush" not in page.content.decode()
    text = Page(page).text
    assert "Lead created, Lead updated" in text and f"X-Api-Key: {MASK}" in text and "All offices" in text
    assert "Webhook URL https://" in text
    assert "dialect" not in page.content.decode(), "There is no choice by which fields could be hidden."
    assert "Send Test" not in text and "Rotate secret" not in text
    before = columns()
    assert client.post(url("change", webhook.pk), {"name": "Hijacked"}).status_code == 403
    assert client.get(url("add")).status_code == 403
    assert columns() == before


# Send Test


@pytest.mark.django_db(transaction=True)
def test_a_test_is_answered_in_place(manager, webhook, receiver):
    Webhook.objects.update(url=receiver.url)
    response = manager.post(url("test", webhook.pk))
    delivery = Delivery.objects.get()
    assert response["Location"] == f"{url('change', webhook.pk)}?test={delivery.pk}"
    page = manager.get(response["Location"])
    text = Page(page).text
    assert re.search(r"Test answered 200 in \d+ ms\.", text)
    assert reverse("admin:webhooks_delivery_change", args=[delivery.pk]) in Page(page).links
    assert "webhook-test true" in text and "Sir Ricard Branson" in text
    assert "hush-hush" not in page.content.decode() and SECRET not in page.content.decode()
    assert LogEntry.objects.get().change_message == "Sent a test."


@pytest.mark.django_db(transaction=True)
def test_a_test_that_fails_says_what_and_what_to_do(manager, webhook):
    Webhook.objects.update(url=f"http://127.0.0.1:{free_port()}/hook")
    text = Page(manager.post(url("test", webhook.pk), follow=True)).text
    assert "Test failed: connection refused. Nothing answers at 127.0.0.1. Check the host and port" in text
    assert "No answer was received." in text


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_is_no_success_is_shown(manager, webhook, receiver):
    receiver.always(Answer(500, body=b'<script>alert("x")</script>'))
    Webhook.objects.update(url=receiver.url)
    page = manager.post(url("test", webhook.pk), follow=True)
    assert re.search(r"Test answered 500 in \d+ ms\.", Page(page).text)
    assert "<script>alert(" not in page.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("state", [State.PAUSED, State.DISABLED])
def test_it_says_that_a_webhook_is_not_enabled(manager, webhook, receiver, state):
    Webhook.objects.update(url=receiver.url, state=state)
    text = Page(manager.post(url("test", webhook.pk), follow=True)).text
    assert f"Tests are sent although the webhook is {state.label.lower()}." in text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("who", "method", "status"),
    [
        ("manager", "get", 405),
        ("manager", "put", 405),
        ("superuser", "get", 405),
        ("other_manager", "post", 404),
        ("auditor", "post", 403),
        ("staff", "post", 403),
        ("powerless", "post", 403),
        ("outsider", "post", 302),
    ],
)
def test_who_may_send_a_test(crm, sign_in, webhook, receiver, who, method, status):
    Webhook.objects.update(url=receiver.url)
    client = sign_in(getattr(crm, who))
    assert getattr(client, method)(url("test", webhook.pk)).status_code == status
    assert receiver.received == [] and not Delivery.objects.exists()


def test_a_test_needs_the_token_of_the_form(crm, webhook):
    client = Client(enforce_csrf_checks=True)
    client.force_login(crm.manager)
    assert client.post(url("test", webhook.pk)).status_code == 403
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("wanted", ["", "abc", "0", "999999", "9" * 40])
def test_a_test_that_is_none_shows_nothing(manager, webhook, crm, wanted):
    assert "Show in Webhook History" not in Page(manager.get(url("change", webhook.pk), {"test": wanted})).text
    other = made(crm.leeds, webhook)
    assert "Show in Webhook History" not in Page(manager.get(url("change", webhook.pk), {"test": other.pk})).text


# A lost encryption key


@pytest.fixture
def lost(webhook, settings):
    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


def test_what_cannot_be_decrypted_is_said(manager, webhook, lost, crm, sign_in):
    assert manager.get(url("changelist")).status_code == 200
    text = Page(manager.get(url("change", webhook.pk))).text
    assert "signing secret lost" in text and "none of WEBHOOK_ENCRYPTION_KEYS fits" in text
    assert "none of WEBHOOK_ENCRYPTION_KEYS fits" in Page(sign_in(crm.auditor).get(url("change", webhook.pk))).text


def test_saving_the_rest_keeps_what_cannot_be_decrypted(manager, webhook, lost):
    manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk), name="Renamed"))
    assert Webhook.objects.get().name == "Renamed"
    with pytest.raises(ValueError, match="cannot be decrypted"):
        Webhook.objects.get().custom_headers  # noqa: B018


def test_another_secret_takes_the_place_of_a_lost_one(manager, webhook, lost):
    act(manager, "generate", webhook)
    assert len(Webhook.objects.get().secret) == 43


@pytest.mark.django_db(transaction=True)
def test_no_test_is_sent_with_a_lost_secret(manager, webhook, lost):
    text = Page(manager.post(url("test", webhook.pk), follow=True)).text
    assert "No test was sent: a stored secret cannot be decrypted" in text
    assert not Delivery.objects.exists()
