"""The mapping page of an inbound webhook, as a browser without scripts has it."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from leads.intake import Policy, take
from leads.models import Lead
from leads.scope import Scope
from tests.admin.conftest import Crm
from tests.admin.page import Page
from webhooks.models import InboundWebhook, Receipt
from webhooks.wire.presets import PRESETS

pytestmark = pytest.mark.django_db

SENT = {"first_name": "Olivia", "contact": {"work": {"email": "olivia@example.com"}}, "tags": ["vip", "sea"], "n": "1"}
ROWS = [
    {"field": "business_email", "path": "contact/work/email"},
    {"field": "first_name", "path": "first_name", "fallback": "Unknown", "steps": [{"do": "trim", "by": ""}]},
    {"field": "tags", "path": "", "constant": ["web", "new"]},
    {"field": "score", "path": "", "constant": 7},
]


@pytest.fixture
def inbound(crm: Crm) -> InboundWebhook:
    return InboundWebhook.objects.create(account=crm.account, name="Website", mapping=ROWS)


@pytest.fixture
def client(crm: Crm) -> Client:
    client = Client()
    client.force_login(crm.manager)
    return client


def received(inbound: InboundWebhook, sent: Any = SENT, **values: Any) -> Receipt:
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return Receipt.objects.create(
        inbound=inbound, account=inbound.account, inbound_name=inbound.name, uid=uuid.uuid4().hex, body=body, **values
    )


def address(inbound: InboundWebhook, view: str = "mapping") -> str:
    return reverse(f"admin:webhooks_inboundwebhook_{view}", args=[inbound.pk])


def form_of(response: Any) -> dict[str, Any]:
    return dict(Page(response).form("mapping-form"))


def press(client: Client, response: Any, button: str, value: str = "1", /, **typed: Any) -> Any:
    """What the page's form is answered, with this typed in it."""
    form = form_of(response) | {name.replace("__", "-"): given for name, given in typed.items()} | {button: value}
    return client.post(response.request["PATH_INFO"], form)


def rows_of(response: Any) -> list[tuple[str, str]]:
    """(field, path or value) of each row that is filled."""
    form = form_of(response)
    numbers = [name.split("-")[1] for name in form if name.endswith("-field")]
    rows = [(form[f"row-{number}-field"][0], form[f"row-{number}-value"][0]) for number in numbers]
    return [row for row in rows if any(row)]


def preview(client: Client, inbound: InboundWebhook, response: Any, **typed: Any) -> str:
    form = form_of(response) | {name.replace("__", "-"): given for name, given in typed.items()}
    return Page(client.post(address(inbound, "mapping_preview"), form)).text


# --- what is stored --------------------------------------------------------------------------------------------------


def test_what_is_stored_is_shown_and_saved_as_it_is(client, inbound):
    received(inbound)
    page = client.get(address(inbound))
    assert rows_of(page) == [
        ("business_email", "contact/work/email"),
        ("first_name", "first_name"),
        ("tags", "web, new"),
        ("score", "7"),
    ]
    assert press(client, page, "_save").status_code == 302
    stored = InboundWebhook.objects.get(pk=inbound.pk)
    assert stored.mapping == ROWS
    assert "Mapping of Website saved: 4 rows." in Page(client.get(address(inbound))).text


def test_after_saving_what_was_refused_before_is_offered(client, inbound):
    received(inbound, status="refused")
    press(client, client.get(address(inbound)), "_save")
    page = Page(client.get(address(inbound)))
    assert "1 post that was refused can be taken now" in page.text
    refused = f"{reverse('admin:webhooks_receipt_changelist')}?inbound={inbound.pk}&status__in=refused"
    assert refused in page.links


def test_a_refused_receipt_leads_to_the_mapping_by_it(client, inbound):
    receipt = received(inbound, {"colour": "blue"}, status="refused")
    received(inbound)
    shown = Page(client.get(reverse("admin:webhooks_receipt_change", args=[receipt.pk])))
    [link] = [link for link in shown.links if link.startswith(address(inbound))]
    assert "blue" in Page(client.get(link)).text


def test_a_row_is_added_changed_and_removed_without_scripts(client, inbound):
    received(inbound)
    page = press(client, client.get(address(inbound)), "_remove", "2")
    page = press(client, page, "_remove_step", "1.0")
    page = press(client, page, "_pick", "n", row__1__do=["split"])
    assert rows_of(page)[2:] == [("score", "7"), ("", "n")]
    answer = press(client, page, "_save", row__3__field="message", row__1__by=[" ", ""])
    assert answer.status_code == 302
    assert InboundWebhook.objects.get().mapping == [
        ROWS[0],
        {"field": "first_name", "path": "first_name", "fallback": "Unknown", "steps": [{"do": "split", "by": " "}]},
        ROWS[3],
        {"field": "message", "path": "n"},
    ]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"row__4__field": "city"}, "Click a value of the sample"),
        ({"row__4__value": "city"}, "Choose the field"),
        ({"row__4__field": "city", "row__4__value": "a//b"}, "The path must not begin or end with /"),
        ({"row__4__field": "city", "row__4__value": "a~b"}, "The path must write ~ as ~0"),
        ({"row__4__field": "score", "row__4__value": "a"}, "Score is filled by a row above"),
        ({"row__4__field": "id", "row__4__value": "a"}, "id is not a field of a lead"),
        ({"row__4__field": "city", "row__4__value": "a", "row__4__do": "eval"}, "eval is no transform"),
        ({"row__4__field": "city", "row__4__from": "constant"}, "Write the value"),
        ({"row__3__value": "seven"}, "The value must be a number."),
        ({"row__4__field": "city", "row__4__value": "a\0"}, "must not contain control characters"),
        ({"row__4__field": "gdpr_checkbox", "row__4__value": "a", "row__4__fallback": "x"}, "must be yes or no"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_beside_it_and_nothing_is_stored(client, inbound, typed, told):
    page = press(client, client.get(address(inbound)), "_save", **({"row__4__from": "path"} | typed))
    assert page.status_code == 200
    assert told in Page(page).text
    assert InboundWebhook.objects.get().mapping == ROWS
    for name, value in typed.items():
        if name.endswith("value"):
            assert value in [row[1] for row in rows_of(page)] or "\0" in value


def test_what_somebody_else_saved_meanwhile_is_not_lost_in_silence(client, inbound):
    page = client.get(address(inbound))
    InboundWebhook.objects.update(mapping=ROWS[:1])
    page = press(client, page, "_save")
    assert "changed elsewhere meanwhile" in Page(page).text
    assert InboundWebhook.objects.get().mapping == ROWS[:1]
    assert press(client, page, "_save").status_code == 302
    assert InboundWebhook.objects.get().mapping == ROWS


def test_a_mapping_that_cannot_be_read_can_be_put_right(client, inbound):
    InboundWebhook.objects.update(mapping={"email": "email"})
    page = client.get(address(inbound))
    assert "cannot be read" in Page(page).text
    assert press(client, page, "_save", row__0__field="email", row__0__value="email").status_code == 302
    assert InboundWebhook.objects.get().mapping == [{"field": "email", "path": "email"}]


# --- the sample ------------------------------------------------------------------------------------------------------


def test_the_newest_receipt_is_shown_and_another_one_can_be_chosen(client, inbound):
    first = received(inbound, {"colour": "blue"})
    received(inbound)
    page = client.get(address(inbound))
    assert "olivia@example.com" in Page(page).text
    page = press(client, page, "_show", receipt=first.pk, row__0__value="colour")
    assert "colour blue" in Page(page).text.replace("colourblue", "colour blue")
    assert rows_of(page)[0] == ("business_email", "colour")
    assert InboundWebhook.objects.get().mapping == ROWS


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        ("{", "The sample is not JSON"),
        ("1", "must be a JSON object or array"),
        ('{"a": 1, "a": 2}', "is there twice"),
        ("[" * 40 + "]" * 40, "nested more than"),
        (json.dumps({"a": "x" * 256 * 1024}), "at most 256 KiB"),
    ],
)
def test_a_sample_that_cannot_be_read_says_why_and_stays(client, inbound, sample, told):
    page = press(client, client.get(address(inbound)), "_paste", sample=sample)
    assert told in Page(page).text
    assert form_of(page)["sample"] == [sample]
    assert told in Page(press(client, page, "_test")).text
    assert not Receipt.objects.exists()


def test_receipts_are_text(client, inbound):
    name, value = "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>'
    received(inbound, {name: value, "email": "</button><script>alert(3)</script>"})
    content = client.get(address(inbound)).content.decode()
    assert "&lt;script&gt;alert(1)" in content
    assert "<script>alert" not in content
    assert "<img src=x" not in content
    form = {"receipt": Receipt.objects.get().pk, "row-0-field": "message", "row-0-value": "email"}
    content = client.post(address(inbound, "mapping_preview"), form).content.decode()
    assert "&lt;/button&gt;" in content
    assert "<script>alert" not in content


def test_a_receipt_of_another_webhook_is_not_shown(client, inbound, crm):
    other = InboundWebhook.objects.create(account=crm.other, name="Other")
    secret = received(other, {"email": "theirs@example.com"})
    for page in (
        client.get(f"{address(inbound)}?receipt={secret.pk}"),
        press(client, client.get(address(inbound)), "_show", receipt=secret.pk),
    ):
        assert "theirs@example.com" not in page.content.decode()


# --- what would come of it -------------------------------------------------------------------------------------------


def test_the_preview_shows_the_lead_that_would_be_made(client, inbound):
    received(inbound)
    text = preview(client, inbound, client.get(address(inbound)))
    assert "would make a new lead" in text
    assert "Business e-mail olivia@example.com" in text
    assert "Tags web, new" in text
    assert "Not mapped tags n" in text
    assert not Lead.objects.exists()


def test_the_preview_says_which_lead_would_be_updated_and_how(client, inbound, crm):
    given = {"business_email": "olivia@example.com", "first_name": "Liv", "last_name": "Hartley"}
    lead = take(crm.account.pk, given, Policy(), Scope(crm.account.pk, None)).lead
    received(inbound)
    answer = client.get(address(inbound))
    text = Page(answer).text
    assert "would update a lead that is there. Liv Hartley" in text
    assert "First name Olivia was Liv" in text
    assert reverse("admin:leads_lead_change", args=[lead.pk]) in Page(answer).links
    lead.refresh_from_db()
    assert lead.first_name == "Liv"


def test_the_preview_names_path_and_rule_of_what_would_be_refused(client, inbound):
    received(inbound, {**SENT, "contact": {"work": {"email": "nobody"}}})
    text = preview(client, inbound, client.get(address(inbound)))
    assert "would be answered 422, with 1 fault" in text
    assert "such as name@example.com. path contact/work/email, rule email" in text


@pytest.mark.parametrize(
    ("field", "value"), [("created_date", "soon"), ("type", [[1], 2]), ("score", "high"), ("meta", True)]
)
def test_a_value_of_another_kind_is_shown_as_it_came(client, inbound, field, value):
    InboundWebhook.objects.update(mapping=[{"field": field, "path": "value"}])
    received(inbound, {"value": value})
    assert client.get(address(inbound)).status_code == 200


def test_the_preview_warns_when_leads_cannot_be_recognised(client, inbound):
    received(inbound)
    page = client.get(address(inbound))
    assert "recognised" not in Page(page).text
    assert "Business e-mail is not mapped" in preview(client, inbound, page, row__0__field="personal_email")


def test_a_webhook_that_takes_other_posts_only_says_that_this_is_ignored(client, inbound):
    InboundWebhook.objects.update(only_path="n", only_values=["2"])
    received(inbound)
    assert "would be ignored" in preview(client, inbound, client.get(address(inbound)))


def test_suggestions_are_added_one_by_one_or_all(client, inbound):
    InboundWebhook.objects.update(mapping=ROWS[:1])
    received(inbound)
    page = client.get(address(inbound))
    assert rows_of(press(client, page, "_use", "first_name")) == [
        ("business_email", "contact/work/email"),
        ("first_name", "first_name"),
    ]
    assert rows_of(press(client, page, "_use_all")) == [
        ("business_email", "contact/work/email"),
        ("first_name", "first_name"),
        ("tags", "tags"),
    ]


@pytest.mark.parametrize("name", ["leadpro", "facebook_lead_ads", "typeform"])
def test_a_preset_brings_rows_that_its_own_sample_passes(client, inbound, name):
    page = press(client, client.get(address(inbound)), "_preset", choose_preset=name)
    assert "would make a new lead" in Page(page).text
    assert PRESETS[name].note.split(".")[0] in Page(page).text
    assert InboundWebhook.objects.get().mapping == ROWS


def test_a_preset_is_stored_with_what_it_takes(client, inbound):
    preset = PRESETS["typeform"]
    page = press(client, client.get(address(inbound)), "_preset", choose_preset="typeform")
    assert press(client, page, "_save").status_code == 302
    stored = InboundWebhook.objects.get()
    assert stored.rows == preset.rows
    assert (stored.only_path, stored.only_values) == (preset.only_path, list(preset.only_values))
    assert stored.match == preset.match


def test_what_a_preset_takes_and_knows_leads_by_can_be_left_as_it_is(client, inbound):
    page = press(client, client.get(address(inbound)), "_preset", choose_preset="typeform")
    form = {name: value for name, value in form_of(page).items() if name not in ("takes_only", "sets_match")}
    assert client.post(address(inbound), form | {"_save": "1"}).status_code == 302
    stored = InboundWebhook.objects.get()
    assert (stored.only_path, stored.match) == ("", "business_email")


def test_what_a_preset_calls_records_of_the_account_is_for_somebody_to_choose(client, inbound):
    preset = next(one for one in PRESETS.values() if one.records)
    page = press(client, client.get(address(inbound)), "_preset", choose_preset=preset.name)
    assert "must name one that the account has" in Page(page).text
    both = [row.field for row in (*preset.rows, preset.records[0])]
    assert [row[0] for row in rows_of(press(client, page, "_use", preset.records[0].path))] == both


# --- Send Test -------------------------------------------------------------------------------------------------------


def test_send_test_goes_through_the_pipeline_and_makes_no_lead(client, inbound):
    page = press(client, client.get(address(inbound)), "_test", sample=json.dumps(SENT))
    assert "The test passed." in Page(page).text
    receipt = Receipt.objects.get()
    assert reverse("admin:webhooks_receipt_change", args=[receipt.pk]) in Page(page).links
    assert (receipt.status, receipt.sender) == ("test", "Send Test by manager")
    assert json.loads(bytes(receipt.body)) == SENT
    assert not Lead.objects.exists()


def test_a_test_that_is_refused_shows_the_answer(client, inbound):
    page = press(client, client.get(address(inbound)), "_test", sample='{"contact": {"work": {"email": "nobody"}}}')
    text = Page(page).text
    assert "The test was refused." in text
    assert '"path": "contact/work/email"' in text
    assert Receipt.objects.get().status == "refused"


def test_a_test_of_changed_rows_says_that_they_are_not_saved_yet(client, inbound):
    page = press(client, client.get(address(inbound)), "_test", sample=json.dumps(SENT), row__0__value="n")
    assert "save first" in Page(page).text
    assert rows_of(page)[0] == ("business_email", "n")


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"), [("other_manager", 404), ("auditor", 403), ("staff", 403), ("superuser", 200)]
)
def test_who_may_map(crm, inbound, who, status):
    client = Client()
    client.force_login(getattr(crm, who))
    received(inbound)
    assert client.get(address(inbound)).status_code == status
    assert client.post(address(inbound), {"_save": "1"}).status_code in (status, 302)
    assert client.post(address(inbound, "mapping_preview"), {}).status_code == status
    if status != 200:
        assert InboundWebhook.objects.get().mapping == ROWS


def test_a_preview_needs_the_token_of_the_form(crm, inbound):
    client = Client(enforce_csrf_checks=True)
    client.force_login(crm.manager)
    assert client.post(address(inbound, "mapping_preview"), {}).status_code == 403
    assert client.get(address(inbound, "mapping_preview")).status_code == 405


def test_who_may_not_view_payloads_sees_names_and_no_values(crm, inbound):
    crm.auditor.user_permissions.set(Permission.objects.filter(codename="change_inboundwebhook"))
    client = Client()
    client.force_login(crm.auditor)
    received(inbound, {**SENT, "answers": [{"name": "Jo Smith", "value": "A-77"}], "q": "x@secret.example"})
    page = client.get(address(inbound))
    shown = page.content.decode() + client.post(address(inbound, "mapping_preview"), form_of(page)).content.decode()
    assert "contact/work/email" in shown
    for value in ("olivia@example.com", "Olivia", "Jo Smith", "A-77", "x@secret.example"):
        assert value not in shown
    assert "would make a new lead" in Page(page).text


def test_who_viewed_a_payload_is_noted(client, inbound, crm):
    receipt = received(inbound)
    client.get(address(inbound))
    [entry] = LogEntry.objects.filter(change_message="Payload viewed.")
    assert (entry.user, entry.object_id) == (crm.manager, str(receipt.pk))
