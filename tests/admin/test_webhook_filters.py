"""The filters of a webhook in the admin: posted rows, the builder that htmx fetches, and what staff read of them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from leads.models import Campaign, CustomField, LeadList
from tests import factories
from tests.admin.page import Page
from tests.admin.webhook_form import errors, filled, new, rows, url
from webhooks.models import Delivery, Event, Webhook
from webhooks.rules import MOST_FILTERS


@pytest.fixture
def newsletter(crm):
    return LeadList.objects.create(account=crm.account, name="Newsletter")


@pytest.fixture
def theirs(crm):
    return LeadList.objects.create(account=crm.other, name="Theirs")


@pytest.fixture
def manager(crm, sign_in):
    return sign_in(crm.manager)


@pytest.fixture
def webhook(crm, newsletter):
    return factories.webhook(
        "https://hooks.example.com/in",
        account=crm.account,
        filters=[
            {"field": "lead_status", "op": "changed_from_to", "before": "Conversation", "value": "Needs Info"},
            {"field": "lists", "op": "one_of", "value": [newsletter.pk]},
        ],
    )


SUMMARY = "Lead status changed from Conversation to Needs Info, and Lists is one of Newsletter"


def add(client, *filters: Any, **changes: Any):
    return client.post(url("add"), new(client, *filters, **changes))


def change(client, webhook, *filters: Any, **changes: Any):
    fields = filled(client, url("change", webhook.pk), **changes)
    kept = {name: values for name, values in fields.items() if not name.startswith("filters")}
    return client.post(url("change", webhook.pk), kept | rows(*filters))


def stored(webhook):
    webhook.refresh_from_db()
    return webhook.filters


# Saving


def test_filters_are_stored_by_type(manager, crm, newsletter):
    campaign = Campaign.objects.create(account=crm.account, name="Spring")
    CustomField.objects.create(account=crm.account, key="budget", label="Budget", kind="number")
    response = add(
        manager,
        ("lead_status", "changed_from_to", "Needs Info", "Conversation"),
        ("lists", "one_of", [newsletter.pk]),
        ("campaigns", "is", campaign.pk),
        ("score", "greater", "10"),
        ("created_at", "less", "2026-11-21T09:30"),
        ("gdpr_checkbox", "is", "true"),
        ("custom_fields.budget", "less", "12.5"),
        ("phone", "empty"),
        ("postcode", "contains", "YO"),
    )
    assert response.status_code == 302
    assert Webhook.objects.get().filters == [
        {"field": "lead_status", "op": "changed_from_to", "value": "Needs Info", "before": "Conversation"},
        {"field": "lists", "op": "one_of", "value": [newsletter.pk]},
        {"field": "campaigns", "op": "is", "value": campaign.pk},
        {"field": "score", "op": "greater", "value": 10},
        {"field": "created_at", "op": "less", "value": "2026-11-21T09:30:00Z"},
        {"field": "gdpr_checkbox", "op": "is", "value": True},
        {"field": "custom_fields.budget", "op": "less", "value": 12.5},
        {"field": "phone", "op": "empty"},
        {"field": "postcode", "op": "contains", "value": "YO"},
    ]


@pytest.mark.django_db(transaction=True)
def test_what_was_built_decides_what_is_heard(manager, crm, newsletter):
    add(manager, ("lists", "one_of", [newsletter.pk]), ("score", "greater", "10"))
    factories.lead(lists=["Newsletter"], score=11)
    factories.lead(lists=["Newsletter"], score=10)
    factories.lead(score=11)
    assert Delivery.objects.count() == 1


def test_saving_the_page_as_it_is_changes_no_filter(manager, webhook):
    before = list(webhook.filters)
    response = manager.post(url("change", webhook.pk), filled(manager, url("change", webhook.pk), name="Renamed"))
    assert response.status_code == 302
    assert stored(webhook) == before and webhook.name == "Renamed"


def test_filters_are_changed_and_removed(manager, webhook):
    assert change(manager, webhook, ("score", "less", "5")).status_code == 302
    assert stored(webhook) == [{"field": "score", "op": "less", "value": 5}]
    assert change(manager, webhook).status_code == 302
    assert stored(webhook) == []


def test_without_scripts_the_spare_row_takes_what_is_typed(manager, newsletter, crm):
    LeadList.objects.create(account=crm.account, name="Smith, Jones & Co")
    fields = new(manager)
    assert {"filters.9999.field", "filters.9999.op", "filters.9999.value", "filters.9999.before"} <= set(fields)
    typed = {"field": "lists", "op": "one_of", "value": 'newsletter, "Smith, Jones & Co"'}
    fields |= {f"filters.9999.{name}": [text] for name, text in typed.items()}
    assert manager.post(url("add"), fields).status_code == 302
    (condition,) = Webhook.objects.get().filters
    assert condition["op"] == "one_of" and len(condition["value"]) == 2


def test_values_of_the_field_that_was_chosen_before_are_not_taken(manager, webhook, newsletter):
    """A list's number must not become a campaign's: without scripts the input still shows the list."""
    Campaign.objects.create(pk=newsletter.pk, account=newsletter.account, name="Spring")
    fields = filled(manager, url("change", webhook.pk), **{"filters.1.field": "campaigns"})
    assert "Campaigns what? Choose a condition and a value" in str(
        errors(manager.post(url("change", webhook.pk), fields))["filters"]
    )
    assert stored(webhook)[1]["field"] == "lists"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("shoe_size", "is", "44"), "There is no field “shoe_size”."),
        (("custom_fields.shoe_size", "is", "44"), "There is no field “custom_fields.shoe_size”."),
        (("first_name", "greater", "A"), "First name knows no condition “is greater than”."),
        (("first_name", "resembles", "A"), "First name knows no condition “resembles”."),
        (("score", "is", "many"), "Score must be compared with a whole number, not with “many”."),
        (("created_at", "less", "soon"), "Created must be compared with a date and time"),
        (("gdpr_checkbox", "is", "perhaps"), "GDPR consent has no “perhaps”."),
        (("lists", "one_of", ["{theirs}"]), "Choose one of this webhook&#x27;s account."),
        (("lists", "is", "Theirs"), "Lists has no “Theirs”."),
        (("source", "is", ""), "Source is what? Give a value, or remove the filter."),
    ],
)
def test_what_does_not_fit_is_told_by_field_and_rule_and_nothing_is_stored(manager, webhook, theirs, row, words):
    field, op, value = row
    value = [str(theirs.pk)] if value == ["{theirs}"] else value
    before = list(webhook.filters)
    response = change(manager, webhook, ("score", "less", "5"), (field, op, value), name="Other")
    assert words in str(errors(response)["filters"])
    assert stored(webhook) == before and webhook.name == "LeadPro production"
    assert errors(add(manager, (field, op, value))) and Webhook.objects.count() == 1


def test_a_form_that_is_refused_keeps_its_rows_and_marks_the_one(manager, webhook):
    response = change(manager, webhook, ("score", "less", "5"), ("score", "less", "many"))
    page = Page(response)
    form = page.form("webhook_form")
    assert [form[f"filters.{number}.value"] for number in (0, 1)] == [["5"], ["many"]]
    assert response.content.decode().count("lc-filter faulty") == 1
    assert "Score is less than 5" in page.text


def test_there_are_at_most_so_many(manager, webhook):
    too_many = [("score", "less", str(number)) for number in range(MOST_FILTERS + 1)]
    assert f"at most {MOST_FILTERS} filters" in str(errors(change(manager, webhook, *too_many))["filters"])
    assert change(manager, webhook, *too_many[:MOST_FILTERS]).status_code == 302


@pytest.mark.parametrize("name", ["filters.x.field", "filters.-1.field", "filters.1.2.field", "filters.99999.field"])
def test_rows_that_no_page_has_are_ignored(manager, webhook, name):
    fields = filled(manager, url("change", webhook.pk)) | {name: ["score"]}
    before = list(webhook.filters)
    assert manager.post(url("change", webhook.pk), fields).status_code == 302
    assert stored(webhook) == before


def test_superusers_filter_by_the_account_that_they_choose(sign_in, crm, newsletter, theirs):
    client = sign_in(crm.superuser)
    fields = new(client, ("lists", "is", newsletter.pk), account=str(crm.other.pk))
    assert "Lists has no" in str(errors(client.post(url("add"), fields))["filters"])
    fields = new(client, ("lists", "is", theirs.pk), account=str(crm.other.pk))
    assert client.post(url("add"), fields).status_code == 302
    assert Webhook.objects.get().filters == [{"field": "lists", "op": "is", "value": theirs.pk}]


@pytest.mark.parametrize("account", ["", "abc", "999999", "9" * 30])
def test_an_account_that_is_none_is_told_as_such(sign_in, crm, account):
    fields = new(sign_in(crm.superuser), ("score", "less", "5"), account=account)
    assert "account" in errors(sign_in(crm.superuser).post(url("add"), fields))


# Reading


def test_the_page_says_them_in_words(manager, webhook, crm, sign_in):
    text = Page(manager.get(url("change", webhook.pk))).text
    assert text.count(SUMMARY) == 2, "in the form, and beside it"
    assert f"Filters {SUMMARY}" in Page(sign_in(crm.auditor).get(url("change", webhook.pk))).text
    assert "No filters: all leads." in Page(manager.get(url("add"))).text


def test_the_row_of_a_stored_filter_has_the_inputs_of_its_field(manager, webhook, newsletter, theirs):
    other = LeadList.objects.create(account=webhook.account, name="VIP")
    page = manager.get(url("change", webhook.pk)).content.decode()
    assert f'type="checkbox" name="filters.1.value" value="{newsletter.pk}" checked' in page
    assert f'type="checkbox" name="filters.1.value" value="{other.pk}">' in page
    assert "Theirs" not in page
    form = Page(manager.get(url("change", webhook.pk))).form("webhook_form")
    assert (form["filters.0.before"], form["filters.0.value"]) == (["Conversation"], ["Needs Info"])


def test_a_filter_on_what_is_gone_is_told_and_has_to_go_before_the_form_can_be_saved(manager, webhook, newsletter):
    LeadList.objects.filter(pk=newsletter.pk)._raw_delete("default")
    page = Page(manager.get(url("change", webhook.pk)))
    assert "A filter asks for what is gone" in page.text and f"Lists has no “{newsletter.pk}”" in page.text
    assert f"{newsletter.pk} (gone)" in page.text
    fields = filled(manager, url("change", webhook.pk))
    assert "Lists has no" in str(errors(manager.post(url("change", webhook.pk), fields))["filters"])


def test_filters_that_cannot_be_read_are_told_and_not_silently_dropped(manager, webhook, caplog):
    Webhook.objects.update(filters=[{"field": "score", "op": "resembles"}])
    text = Page(manager.get(url("change", webhook.pk))).text
    assert "What is stored cannot be read." in text
    fields = filled(manager, url("change", webhook.pk), name="Renamed")
    assert "filters" in errors(manager.post(url("change", webhook.pk), fields))
    with caplog.at_level(logging.ERROR):
        assert change(manager, webhook).status_code == 302
    assert stored(webhook) == []


def test_the_log_names_the_filters_that_were_changed(manager, webhook):
    from django.contrib.admin.models import LogEntry

    change(manager, webhook, ("score", "less", "5"))
    assert "Filters" in LogEntry.objects.get().get_change_message()
    change(manager, webhook, ("score", "less", "5"))
    assert "Filters" not in LogEntry.objects.order_by("-pk").first().get_change_message()


# The builder


def build(client, webhook, query: str, *filters: Any):
    view = url("filters", webhook.pk) if webhook else url("new_filters")
    return client.post(f"{view}{query}", rows(*filters), HTTP_HX_REQUEST="true")


def names(response) -> set[str]:
    class Form:
        content = b'<form id="f">' + response.content + b"</form>"

    return {name for name in Page(Form()).form("f") if not name.startswith("filters.9999.")}


def test_a_row_is_added_empty_or_for_lists_and_campaigns(manager, webhook, newsletter):
    assert names(build(manager, webhook, "?add")) == {"filters", "filters.0.was", "filters.0.field"}
    response = build(manager, webhook, "?add=lists", ("score", "less", "5"))
    assert {"filters.0.value", "filters.1.op"} <= names(response)
    assert 'value="lists" selected' in response.content.decode() and "Newsletter" in response.content.decode()
    assert "This account has none yet." in build(manager, webhook, "?add=campaigns").content.decode()
    assert "filters.0.op" not in names(build(manager, webhook, "?add=shoe_size"))


def test_a_row_is_removed(manager, webhook):
    response = build(manager, webhook, "?remove=0", ("score", "less", "5"), ("phone", "empty"))
    text = response.content.decode()
    assert "Phone is empty" in text and "Score is less" not in text
    for nonsense in ("7", "-1", "abc", "9" * 30):
        assert (
            "Score is less than 5"
            in build(manager, webhook, f"?remove={nonsense}", ("score", "less", "5")).content.decode()
        )


@pytest.mark.parametrize(
    ("field", "op", "expected"),
    [
        ("score", "greater", 'type="number" name="filters.0.value"'),
        ("created_at", "less", 'type="datetime-local" name="filters.0.value"'),
        ("lead_status", "is", '<option value="Needs Info">Needs Info</option>'),
        ("gdpr_checkbox", "is", '<option value="true">Yes</option>'),
        ("office_id", "is", "Leeds Central</option>"),
        ("pipeline_stage_id", "is", "Valuation booked</option>"),
        ("owner_id", "is", "manager"),
        ("first_name", "one_of", "Values, with commas between them"),
        ("lead_status", "changed_from_to", 'name="filters.0.before"'),
    ],
)
def test_the_inputs_follow_field_and_condition(manager, webhook, field, op, expected):
    assert expected in build(manager, webhook, "", (field, op)).content.decode()


def test_a_row_remembers_the_field_that_it_is_shown_for(manager, webhook):
    posted = {"filters": "rows", "filters.0.was": "", "filters.0.field": "owner_id"}
    response = manager.post(url("filters", webhook.pk), posted)
    assert 'name="filters.0.was" value="owner_id"' in response.content.decode()


def test_conditions_without_a_value_ask_for_none(manager, webhook):
    assert names(build(manager, webhook, "", ("score", "changed"))) == {
        "filters",
        "filters.0.was",
        "filters.0.field",
        "filters.0.op",
    }


def test_what_is_typed_is_escaped(manager, webhook):
    evil = '"><script>alert(1)</script>'
    text = build(manager, webhook, "", ("first_name", "is", evil), (evil, "is", evil)).content.decode()
    assert "<script>" not in text


def test_the_builder_of_a_superuser_follows_the_account(sign_in, crm, newsletter, theirs):
    client = sign_in(crm.superuser)
    posted = rows(("lists", "one_of", [])) | {"account": [str(crm.other.pk)]}
    text = client.post(url("new_filters"), posted).content.decode()
    assert "Theirs" in text and "Newsletter" not in text
    assert "change from:#id_account" in text


def test_the_builder_stores_nothing(manager, webhook):
    before = list(webhook.filters), Event.objects.count()
    build(manager, webhook, "?remove=0", ("score", "less", "5"))
    assert (stored(webhook), Event.objects.count()) == before


@pytest.mark.parametrize(
    ("who", "status"), [("other_manager", 404), ("auditor", 403), ("staff", 403), ("powerless", 403), ("outsider", 302)]
)
def test_others_may_not_build(crm, sign_in, webhook, who, status):
    response = build(sign_in(getattr(crm, who)), webhook, "?add=lists")
    assert response.status_code == status and "Newsletter" not in response.content.decode()


@pytest.mark.parametrize(("who", "status"), [("auditor", 403), ("staff", 403), ("powerless", 403), ("outsider", 302)])
def test_others_may_not_build_a_new_one(crm, sign_in, newsletter, who, status):
    assert build(sign_in(getattr(crm, who)), None, "?add=lists").status_code == status


def test_it_takes_nothing_but_a_post(manager, webhook):
    assert manager.get(url("filters", webhook.pk)).status_code == 405
    assert manager.get(url("new_filters")).status_code == 405
    assert manager.post("/admin/webhooks/webhook/999999/filters/").status_code == 404
