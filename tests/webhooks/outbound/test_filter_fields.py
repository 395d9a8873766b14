"""What an account's webhooks can filter by: fields, operators, values by name, and conditions in words."""

from __future__ import annotations

from typing import Any

import pytest

from leads.fields import FIELDS
from leads.models import Campaign, CustomField, Form, LeadList, Membership, Stage, Tag, User
from tests import factories
from webhooks.outbound import filter_fields
from webhooks.outbound.filter_fields import Misfit, check, condition, fields_of, in_words
from webhooks.wire.filter import OPERATORS, Condition, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    account = factories.account()
    CustomField.objects.create(account=account, key="region", label="Region", kind="choice", choices=["north", "a, b"])
    CustomField.objects.create(account=account, key="budget", label="Budget", kind="number")
    CustomField.objects.create(account=account, key="joined", label="Joined on", kind="date")
    CustomField.objects.create(account=account, key="vat", label="VAT", kind="yes_no")
    CustomField.objects.create(account=account, key="areas", label="Areas", kind="choices", choices=["LS1", "LS2"])
    return account


@pytest.fixture
def newsletter(account):
    return LeadList.objects.create(account=account, name="Newsletter")


def test_every_field_of_the_catalogue_and_of_the_account_can_be_filtered_by(account):
    found = fields_of(account.pk)
    assert {field.key for field in FIELDS if field.kind != "custom"} <= set(found)
    custom = {key for key in found if key.startswith("custom_fields.")}
    assert custom == {f"custom_fields.{key}" for key in ("region", "budget", "joined", "vat", "areas")}
    assert all(field.operators and set(field.operators) <= set(OPERATORS) for field in found.values())


@pytest.mark.parametrize("key", ["office_name", "account_name", "modified_date"])
def test_what_no_event_tells_as_changed_cannot_be_asked_for_a_change(account, key):
    assert not {"changed", "changed_from_to"} & set(fields_of(account.pk)[key].operators)


@pytest.mark.parametrize("key", ["office_id", "owner_name", "stage_name", "lists", "custom_fields.region"])
def test_what_events_tell_as_changed_can_be_asked_for_a_change(account, key):
    assert "changed" in fields_of(account.pk)[key].operators


def test_another_accounts_records_and_fields_are_not_there(account):
    other = factories.account("Harbour Lets")
    LeadList.objects.create(account=other, name="Theirs")
    CustomField.objects.create(account=other, key="berth", label="Berth")
    found = fields_of(account.pk)
    assert "custom_fields.berth" not in found
    for field in found.values():
        assert "Theirs" not in [label for _, label in field.choices or ()]


def test_what_a_field_refers_to_is_chosen_by_name_and_stored_by_id(account, newsletter):
    office = factories.office("Leeds Central")
    user = User.objects.create_user("dana", "dana@example.com", first_name="Dana", last_name="Moss")
    Membership.objects.create(user=user, account=account)
    campaign = Campaign.objects.create(account=account, name="Spring")
    Tag.objects.create(account=account, name="vip")
    stage = Stage.objects.get(pipeline__account=account, code="WON")
    found = fields_of(account.pk)
    for key, typed, stored in [
        ("office_id", "Leeds Central", office.pk),
        ("office_id", "leeds central", office.pk),
        ("office_id", str(office.pk), office.pk),
        ("owner_id", "Dana Moss", user.pk),
        ("pipeline_id", "Sales pipeline", stage.pipeline_id),
        ("pipeline_stage_id", "Won", stage.pk),
        ("lists", "Newsletter", newsletter.pk),
        ("campaigns", "Spring", campaign.pk),
        ("tags", "vip", "vip"),
        ("lead_status", "needs info", "Needs Info"),
        ("stage", "Valuation booked", "VALUATION_BOOKED"),
        ("gdpr_checkbox", "Yes", True),
        ("custom_fields.vat", "no", False),
        ("custom_fields.region", "north", "north"),
        ("custom_fields.areas", "LS2", "LS2"),
    ]:
        assert condition(found, key, "is", [typed]).value == stored, (key, typed)


@pytest.mark.parametrize(
    ("key", "op", "typed", "stored"),
    [
        ("score", "greater", "10", 10),
        ("score", "is", "-3", -3),
        ("average_sale_estimation", "less", "250000.5", 250000.5),
        ("custom_fields.budget", "is", "1e3", 1000.0),
        ("created_at", "greater", "2026-11-21T09:30", "2026-11-21T09:30:00Z"),
        ("last_contacted", "less", "2026-11-21T09:30:05+01:00", "2026-11-21T08:30:05Z"),
        ("custom_fields.joined", "greater", "2026-05-01", "2026-05-01"),
        ("postcode", "contains", " YO1 ", "YO1"),
        ("meta", "contains", "tour", "tour"),
        ("tags", "contains", "vi", "vi"),
    ],
)
def test_values_are_read_by_type(account, key: str, op: str, typed: str, stored: Any):
    found = condition(fields_of(account.pk), key, op, [typed])
    assert (found.value, type(found.value)) == (stored, type(stored))


@pytest.mark.parametrize(
    ("key", "given", "stored"),
    [
        ("lists", ["{list}"], ("{list}",)),
        ("lists", ["Newsletter, Smith & Co", "newsletter"], ("{list}", "{other}")),
        ("custom_fields.region", ["a, b", "north"], ("a, b", "north")),
        ("custom_fields.region", ['north, "a, b"'], ("north", "a, b")),
        ("score", ["1, 2,3"], (1, 2, 3)),
        ("source", ["rightmove, zoopla,, "], ("rightmove", "zoopla")),
    ],
)
def test_several_values_come_as_choices_or_as_one_text(account, newsletter, key, given, stored):
    other = LeadList.objects.create(account=account, name="Smith & Co")
    ids = {"{list}": newsletter.pk, "{other}": other.pk}
    given = [str(ids.get(text, text)) for text in given]
    expected = tuple(ids.get(value, value) for value in stored)
    assert condition(fields_of(account.pk), key, "one_of", given).value == expected


def test_names_that_two_share_are_told_apart(account):
    for username in ("dana", "dana2"):
        user = User.objects.create_user(username, f"{username}@example.com", first_name="Dana", last_name="Moss")
        Membership.objects.create(user=user, account=account)
    found = fields_of(account.pk)
    assert len({label for _, label in found["owner_id"].choices or ()}) == 2
    with pytest.raises(Misfit, match="Owner has no “Dana Moss”"):
        condition(found, "owner_id", "is", ["Dana Moss"])


@pytest.mark.parametrize(
    ("key", "op", "values", "before", "words"),
    [
        ("shoe_size", "is", ["44"], "", "There is no field “shoe_size”."),
        ("custom_fields.shoe_size", "is", ["44"], "", "There is no field “custom_fields.shoe_size”."),
        ("custom_fields", "empty", [], "", "There is no field “custom_fields”."),
        ("score", "contains", ["1"], "", "Score knows no condition “contains”."),
        ("first_name", "greater", ["A"], "", "First name knows no condition “is greater than”."),
        ("lists", "changed_from_to", ["1"], "2", "Lists knows no condition “changed from … to …”."),
        ("created_at", "matches", ["1"], "", "Created knows no condition “matches”. It has these: is after, is before"),
        ("score", "greater", ["many"], "", "Score must be compared with a whole number, not with “many”."),
        ("score", "is", ["1.5"], "", "Score must be compared with a whole number"),
        ("custom_fields.budget", "is", ["nan"], "", "Budget must be compared with a number, not with “nan”."),
        ("custom_fields.budget", "is", ["1_000"], "", "Budget must be compared with a number"),
        ("custom_fields.budget", "is", ["9" * 400], "", "Budget must be compared with a number"),
        ("created_at", "greater", ["soon"], "", "Created must be compared with a date and time"),
        ("custom_fields.joined", "is", ["01/05/2026"], "", "Joined on must be compared with a date, such as"),
        ("gdpr_checkbox", "is", ["perhaps"], "", "GDPR consent has no “perhaps”. Choose one of its choices."),
        ("lead_status", "is", ["Lost"], "", "Lead status has no “Lost”. Choose one of its choices."),
        ("lists", "is", ["Theirs"], "", "Lists has no “Theirs”. Choose one of this webhook's account."),
        ("lists", "one_of", ["{theirs}"], "", "Choose one of this webhook's account."),
        ("tags", "is", ["nobody's"], "", "Tags has no “nobody's”."),
        ("source", "is", [""], "", "Source is what? Give a value, or remove the filter."),
        ("source", "contains", ["  "], "", "Source contains what?"),
        ("source", "one_of", [" , "], "", "Source is one of what? Give at least one value"),
        ("source", "is", ["a", "b"], "", "Source takes one value here."),
        ("source", "is", ["a" * 1001], "", "Source must be compared with text of at most 1000 characters."),
        ("source", "is", ["a\0b"], "", "Source must be compared with text"),
        ("lead_status", "changed_from_to", [""], " ", "Lead status changed from what, or to what?"),
        ("lead_status", "changed_from_to", ["Needs Info"], "Lost", "Lead status has no “Lost”."),
    ],
)
def test_what_does_not_fit_is_refused_by_field_and_rule(account, newsletter, key, op, values, before, words):
    theirs = LeadList.objects.create(account=factories.account("Harbour Lets"), name="Theirs")
    values = [value.format(theirs=theirs.pk) if "{theirs}" in value else value for value in values]
    with pytest.raises(Misfit) as misfit:
        condition(fields_of(account.pk), key, op, values, before)
    assert words in str(misfit.value)


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ([], ""),
        (
            [
                {"field": "lead_status", "op": "changed_from_to", "before": "Conversation", "value": "Needs Info"},
                {"field": "lists", "op": "one_of", "value": ["{list}", "{vip}"]},
            ],
            "Lead status changed from Conversation to Needs Info, and Lists is one of Newsletter, VIP",
        ),
        (
            [{"field": "lead_status", "op": "changed_from_to", "value": "Needs Info"}],
            "Lead status changed to Needs Info",
        ),
        ([{"field": "score", "op": "changed_from_to", "before": 3}], "Score changed from 3"),
        ([{"field": "score", "op": "greater", "value": 10}], "Score is greater than 10"),
        (
            [{"field": "created_at", "op": "less", "value": "2026-11-21T09:30:00Z"}],
            "Created is before 21 Nov 2026, 09:30 UTC",
        ),
        ([{"field": "custom_fields.joined", "op": "is", "value": "2026-05-01"}], "Joined on is 1 May 2026"),
        ([{"field": "postcode", "op": "contains", "value": "YO"}], "Postcode contains “YO”"),
        ([{"field": "gdpr_checkbox", "op": "is_not", "value": True}], "GDPR consent is not Yes"),
        ([{"field": "phone", "op": "empty"}], "Phone is empty"),
        ([{"field": "custom_fields.region", "op": "is", "value": "a, b"}], "Region is “a, b”"),
        ([{"field": "custom_fields.gone", "op": "is", "value": "x"}], "gone is “x”"),
        ([{"field": "lists", "op": "is", "value": 999999}], "Lists is “999999”"),
    ],
)
def test_conditions_are_worded(account, newsletter, stored, words):
    vip = LeadList.objects.create(account=account, name="VIP")
    ids = {"{list}": newsletter.pk, "{vip}": vip.pk}
    for each in stored:
        if isinstance(each.get("value"), list):
            each["value"] = [ids[one] for one in each["value"]]
    assert in_words(read(stored), fields_of(account.pk)) == words


def test_what_is_gone_since_it_was_stored_is_told(account, newsletter):
    asked = Condition("lists", "one_of", (newsletter.pk,))
    region = Condition("custom_fields.region", "one_of", ("north", "a, b"))
    moved = Condition("lead_status", "changed_from_to", "Needs Info", "Conversation")
    for fits in (asked, region, moved, Condition("gdpr_checkbox", "is", False), Condition("score", "less", 1)):
        check(fields_of(account.pk), fits)
    newsletter.delete()
    with pytest.raises(Misfit, match="Lists has no"):
        check(fields_of(account.pk), asked)
    CustomField.objects.all().delete()
    with pytest.raises(Misfit, match="There is no field"):
        check(fields_of(account.pk), region)


def test_without_an_account_there_is_nothing_of_one_to_choose(db):
    found = fields_of(None)
    assert found["lists"].choices == () and found["lead_status"].choices
    assert filter_fields.as_text(None) == ""


def test_what_only_some_events_have_is_chosen_among_the_accounts_own(account):
    form = Form.objects.create(account=account, name="Contact us", title="Hello", fields=[])
    Form.objects.create(account=factories.account("Harbour Lets"), name="Theirs", title="Hello", fields=[])
    found = fields_of(account.pk)
    assert found["form"].choices == ((str(form.pk), "Contact us"),)
    assert condition(found, "form", "is", ["contact us"]) == Condition("form", "is", form.pk)
    assert condition(found, "type_code", "one_of", ["Meeting, 21"]) == Condition("type_code", "one_of", (201, 21))
    assert {"changed", "changed_from_to"}.isdisjoint(found["form"].operators)
    with pytest.raises(Misfit, match="of this webhook's account"):
        condition(found, "type_code", "is", ["3001"])
    stored = [Condition("form", "one_of", (form.pk,)), Condition("type_code", "is", 12_000)]
    assert in_words(stored, found) == (
        "Web form is one of Contact us, and Type of activity or opportunity is Opportunity"
    )
