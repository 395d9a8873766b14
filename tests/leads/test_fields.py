"""The catalogue against the systems' pages: names, order, limits and lists as printed there, typed a second time."""

from __future__ import annotations

import pytest

from leads.fields import BY_KEY, BY_WIRE, EMPTY, GROUPS
from leads.fields import FIELDS as ALL

FIELDS = [field for field in ALL if "leadpro" in field.systems]

WIRE_ORDER = [
    "id",
    "first_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "type",
    "source",
    "address",
    "postcode",
    "advert_address",
    "advert_postcode",
    "advert_url",
    "advert_image",
    "title",
    "message",
    "appointment_availability",
    "meta",
    "questionnaire",
    "parentId",
    "createdAt",
    "status",
    "stage",
    "gdpr_checkbox",
    "host",
    "average_sale_estimation",
    "average_rent_estimation",
    "office_id",
    "property_reference",
    "property_bedrooms",
    "office_name",
    "minimum_sale_estimation",
    "maximum_sale_estimation",
    "minimum_rent_estimation",
    "maximum_rent_estimation",
    "comparable_props",
    "international",
    "account_id",
    "account_name",
    "referred_by_office_id",
    "referred_by_office_name",
    "referred_by_account_id",
    "referred_by_account_name",
    "property_type",
]

NOT_WRITEABLE = {
    "id",
    "created_at",
    "office_name",
    "comparable_props",
    "account_id",
    "account_name",
    "referred_by_office_id",
    "referred_by_office_name",
    "referred_by_account_id",
    "referred_by_account_name",
}

IN_DETAILS = {
    "advert_address",
    "advert_postcode",
    "advert_url",
    "advert_image",
    "message",
    "appointment_availability",
    "meta",
    "questionnaire",
    "gdpr_checkbox",
    "host",
    "average_sale_estimation",
    "average_rent_estimation",
    "minimum_sale_estimation",
    "maximum_sale_estimation",
    "minimum_rent_estimation",
    "maximum_rent_estimation",
    "property_bedrooms",
    "comparable_props",
    "international",
    "property_type",
}

LIMITS = [  # key, min_length, max_length, max_bytes
    ("first_name", 1, 50, None),
    ("last_name", 1, 50, None),
    ("full_name", 1, 100, None),
    ("email", None, 254, None),
    ("phone", None, 255, None),
    ("source", None, 255, None),
    ("address", None, 100, None),
    ("postcode", 2, 10, None),
    ("advert_address", None, 100, None),
    ("advert_postcode", 2, 10, None),
    ("advert_url", None, 255, None),
    ("advert_image", None, 255, None),
    ("title", 1, 10, None),
    ("message", None, 8192, None),
    ("host", None, 255, None),
    ("property_reference", None, 50, None),
    ("office_name", None, 100, None),
    ("account_name", None, 100, None),
    ("appointment_availability", None, None, 2048),
    ("meta", None, None, 1024),
    ("questionnaire", None, None, 2048),
    ("comparable_props", None, None, 4096),
]

LISTS = [
    ("type", "sale vendor landlord let mortgage_request"),
    ("status", "UNREAD IN_PROGRESS NO_BUSINESS BUSINESS DUPLICATE"),
    (
        "stage",
        "NEW CONTACTED KEEP_IN_TOUCH LOST NOT_CONTACTABLE WON VALUATION_BOOKED INSTRUCTED VIEWING_BOOKED REGISTERED "
        "DUPLICATE SPAM DELETED",
    ),
    ("property_type", "detached semi-detached terraced flat-maisonette"),
]


def test_the_payload_has_leadpros_44_names_in_leadpros_order() -> None:
    assert [field.wire for field in FIELDS] == WIRE_ORDER
    assert list(ALL[:44]) == FIELDS
    assert len(BY_WIRE) == len(BY_KEY) == len(ALL)


def test_keys_are_snake_case_and_only_two_differ_on_the_wire() -> None:
    assert {field.key: field.wire for field in ALL if field.key != field.wire} == {
        "parent_id": "parentId",
        "created_at": "createdAt",
    }
    assert all(field.key == field.key.lower() for field in FIELDS)


def test_what_a_client_may_not_set() -> None:
    assert {field.key for field in FIELDS if not field.writeable} == NOT_WRITEABLE
    assert {field.key for field in FIELDS if field.post_only} == {"source"}


def test_what_lists_filter_and_sort_by_is_a_column() -> None:
    assert {field.key for field in FIELDS if not field.column} == IN_DETAILS


def test_what_always_has_a_value() -> None:
    always = {"id", "created_at", "status", "stage", "comparable_props", "account_id", "account_name"}
    assert {field.key for field in FIELDS if not field.nullable} == always


@pytest.mark.parametrize(("key", "shortest", "longest", "size"), LIMITS, ids=[row[0] for row in LIMITS])
def test_limits(key: str, shortest: int | None, longest: int | None, size: int | None) -> None:
    field = BY_KEY[key]
    assert (field.min_length, field.max_length, field.max_bytes) == (shortest, longest, size)


def test_money_has_two_decimals() -> None:
    estimates = {
        f"{which}_{what}_estimation" for which in ("average", "minimum", "maximum") for what in ("sale", "rent")
    }
    assert {field.key for field in FIELDS if field.kind == "number"} == estimates
    assert {BY_KEY[key].decimals for key in estimates} == {2}


@pytest.mark.parametrize(("key", "codes"), LISTS, ids=[row[0] for row in LISTS])
def test_lists(key: str, codes: str) -> None:
    choices = BY_KEY[key].choices
    assert [code for code, _ in choices] == codes.split()
    assert len({label for _, label in choices}) == len(choices)


def test_lists_belong_to_choices_only() -> None:
    assert {field.key for field in FIELDS if field.choices} == {key for key, _ in LISTS}
    assert {field.key for field in FIELDS if field.kind == "choice"} == {key for key, _ in LISTS}


def test_every_text_has_a_longest_length_so_that_none_is_unbounded() -> None:
    texts = [field for field in ALL if field.kind in ("text", "email", "labels") and field.writeable]
    assert [field.key for field in texts if field.max_length is None] == []
    structured = [field for field in ALL if field.kind in ("hours", "pairs", "questions", "texts", "custom")]
    assert [field.key for field in structured if field.max_bytes is None] == []


def test_staff_read_labels_in_sentence_case_told_apart() -> None:
    labels = [field.label for field in ALL]
    assert len(set(labels)) == len(labels)
    ours = [label for field in FIELDS for _, label in field.choices]
    for label in labels + ours:
        assert label[0].isupper() and "_" not in label
        # "E-mail", "GDPR consent" and "Advert URL" are sentence case; "Full Name" is not.
        assert all(
            word.islower() or word.isupper() or word == "LinkedIn" or word == "Facebook" for word in label.split()[1:]
        ), label


def test_groups_are_all_used_and_all_known() -> None:
    assert {field.group for field in ALL} == set(GROUPS)


def test_each_field_says_what_leadpro_calls_it() -> None:
    assert [field.systems["leadpro"] for field in FIELDS] == WIRE_ORDER


# LeadEngine's page, section 4; business_email stands there twice.
PAGE = """
about business_email campaigns city company_facebook company_linkedin company_name company_x contact_owner country
created_date business_email personal_email email_bounce_status email_bounce_sub_status email_provider
email_provider_type email_subscription email_validation first_name gender import_tags industry job_department
job_title last_contacted last_email_click_date last_email_open_date last_email_reply_date last_name lead_source
lead_status lead_status_history lead_type life_cycle life_cycle_history person_linkedin linkedin_summary lists
mobile_phone modified_date name number_of_email_clicks number_of_email_opens number_of_email_replies number_of_emails
number_of_employees number_of_phone_calls number_of_sms_replies number_of_sms_sent number_of_times_contacted
office_phone person_facebook person_x phone_country phone_validation postal_code sentiment sentiment_history
sms_subscription state street_address tags time_zone website website_summary
"""
LEADENGINE = PAGE.split()


def test_leadengines_65_default_fields_are_fields_of_a_lead() -> None:
    named = [field.systems["leadengine"] for field in ALL if "leadengine" in field.systems]
    assert sorted(named) == sorted(set(LEADENGINE)) and len(named) == 65


def test_leadengines_kinds() -> None:
    kinds: dict[str, set[str]] = {}
    for field in ALL:
        if "leadengine" in field.systems:
            kinds.setdefault(field.kind, set()).add(field.systems["leadengine"])
    assert kinds["datetime"] == {name for name in LEADENGINE if name.endswith("_date") or name == "last_contacted"}
    assert kinds["integer"] == {name for name in LEADENGINE if name.startswith("number_of_")}
    histories = {name for name in LEADENGINE if name.endswith("_history")}
    assert kinds["texts"] | kinds["labels"] == {"campaigns", "import_tags", "lists", "tags"} | histories
    assert sum(len(kinds[kind]) for kind in ("text", "email", "choice")) == 43


def test_the_fourteen_lead_statuses() -> None:
    statuses = (
        "Follow Up, Needs Info, Conversation, Opportunity, Not Interested, Do Not Contact, Unsubscribe, Auto Reply, "
        "Hard Bounce, Soft Bounce, Out of Office, Unknown, Wrong Contact, Meeting Booked"
    )
    assert [code for code, _ in BY_KEY["lead_status"].choices] == statuses.split(", ")


def test_what_is_measured_is_a_fact_about_messages() -> None:
    measured = {field.systems["leadengine"] for field in ALL if field.measured}
    facts = {name for name in LEADENGINE if name.startswith(("number_of_", "last_")) or name.endswith("_history")}
    assert measured == facts - {"number_of_employees", "last_name"} | {"modified_date"}


def test_an_unset_list_is_empty() -> None:
    assert {kind for field in ALL if (kind := field.kind) in EMPTY} == {"comparables", "texts", "labels", "custom"}
