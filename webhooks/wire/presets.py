"""Field maps to begin with: what systems that post leads send, as far as it is public, and which field it is here.

Sources, all read 2026-11-21: the help pages of LeadEngine ("Webhooks", 2.3 and 3.3), LeadPro ("Using Webhooks"), Tomba
("Webhooks", save_lead), LeadHub ("Outbound Webhooks") and LeadSquared ("Webhooks"), in the readings that our dialects
follow; Meta's "Retrieving leads" (developers.facebook.com/docs/marketing-api/guides/lead-ads/retrieving); Typeform's
"Example webhook payload" (developers.typeform.com/webhooks/example-payload); HubSpot's "Using webhooks in workflows"
(developers.hubspot.com/docs/methods/workflows/webhook_information) and the contact objects of its contacts API, v1 and
v3. Samples have these shapes; the people in those that are not a page's own do not exist.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhooks.wire.mapping import Row, Step


@dataclass(frozen=True, slots=True)
class Preset:
    """How the leads of one system are read.

    rows            what can be taken as it comes
    records         what names a record that this account must have: a person by e-mail, a pipeline, a stage, lists.
                    Where the account has them, these rows are added to the others; a name it lacks is refused
    sample          a document of that system, as it posts it
    only_path       where its documents say what they are; only_values those that are about a lead which is there, and
                    () when it is enough that something stands at the path
    match           by which field leads are known again
    verification    bearer, hmac, standard or jwt; signature_header is where an HMAC stands
    note            what to do at the system that posts, in a sentence or two
    """

    name: str
    label: str
    rows: tuple[Row, ...]
    sample: Any
    records: tuple[Row, ...] = ()
    only_path: str = ""
    only_values: tuple[str, ...] = ()
    match: str = "email"
    verification: str = "bearer"
    signature_header: str = ""
    note: str = ""


_DATE: Final = (Step("date"),)


def _rows(names: Mapping[str, str], path: str = "{}") -> tuple[Row, ...]:
    """Of {our field: its name there}; dates are read as such."""
    return tuple(Row(field, path.format(name), steps=_DATE if field in _DATES else ()) for field, name in names.items())


def _same(fields: Iterable[str]) -> dict[str, str]:
    return {field: field for field in fields}


_DATES: Final = frozenset(
    {
        "created_date",
        "modified_date",
        "last_contacted",
        "last_email_click_date",
        "last_email_open_date",
        "last_email_reply_date",
    }
)


# --- LeadEngine ------------------------------------------------------------------------------------------------------

_LEADENGINE_FLAT: Final = Preset(
    name="leadengine",
    label="LeadEngine, flat",
    rows=_rows(
        {
            "first_name": "first_name",
            "last_name": "last_name",
            "full_name": "name",
            "business_email": "email",
            "mobile_phone": "phone",
            "city": "city",
            "state": "state",
            "country": "country",
            "created_date": "date",
        }
    ),
    sample={
        "first_name": "Lead",
        "last_name": "Engine",
        "name": "Lead Engine",
        "email": "test@leadmagnets.io",
        "phone": "15555555555",
        "city": "Minneapolis",
        "state": "Minnesota",
        "country": "United States",
        "date": "2024-10-02T15:28:20Z",
    },
    match="business_email",
    note="What forms and automation tools send: one value under each name. Paste the API key as the Bearer token.",
)

# fmt: off
_LEADENGINE_DEFAULTS: Final = _same((
    "about", "business_email", "city", "company_facebook", "company_linkedin", "company_name", "company_x", "country",
    "created_date", "personal_email", "email_bounce_status", "email_bounce_sub_status", "email_provider",
    "email_provider_type", "email_subscription", "email_validation", "first_name", "gender", "import_tags", "industry",
    "job_department", "job_title", "last_contacted", "last_email_click_date", "last_email_open_date",
    "last_email_reply_date", "last_name", "lead_status", "lead_status_history", "lead_type", "life_cycle",
    "life_cycle_history", "person_linkedin", "linkedin_summary", "mobile_phone", "modified_date",
    "number_of_email_clicks", "number_of_email_opens", "number_of_email_replies", "number_of_emails",
    "number_of_employees", "number_of_phone_calls", "number_of_sms_replies", "number_of_sms_sent",
    "number_of_times_contacted", "office_phone", "person_facebook", "person_x", "phone_country", "phone_validation",
    "sentiment", "sentiment_history", "sms_subscription", "state", "tags", "time_zone", "website", "website_summary",
    "email",
)) | {"full_name": "name", "source": "lead_source", "postcode": "postal_code", "address": "street_address"}
# fmt: on

_LEADENGINE_STATUS: Final = Preset(
    name="leadengine_status",
    label="LeadEngine, lead status updated",
    rows=_rows(_LEADENGINE_DEFAULTS, "customFields/key={}/value"),
    records=_rows({"owner": "contact_owner", "lists": "lists", "campaigns": "campaigns"}, "customFields/key={}/value"),
    sample={
        "new_lead_status": "Needs Info",
        "lead_name": "Elon Musk",
        "lead_email_address": "elon@x.com",
        "workspace_name": "My Default Workspace",
        "campaign_name": "My Super Performing Campaign",
        "customFields": [
            {"value": "Elon Musk", "key": "name"},
            {"value": "Elon", "key": "first_name"},
            {"value": "Musk", "key": "last_name"},
            {"value": "elon@gmail.com", "key": "email"},
            {"value": "elon@x.com", "key": "business_email"},
            {"value": ["Prospect", "Cars", "Space"], "key": "tags"},
            {"value": "2024-12-02T14:05:38Z", "key": "created_date"},
            {"value": ["My Super Performing Campaign", "Newsletter"], "key": "campaigns"},
            {"value": "Gmail", "key": "email_provider"},
            {"value": 1, "key": "my_custom_number_field"},
        ],
        "messages": [],
        "previous_lead_status": "Conversation",
    },
    only_path="new_lead_status",
    verification="hmac",
    signature_header="X-LeadEngine-Signature",
    note=(
        "What LeadEngine sends when a lead status changes. Set the webhook's shared secret here and there; without one "
        "choose API key. A field of your own is at customFields/key=its_name/value."
    ),
)

# --- LeadPro ---------------------------------------------------------------------------------------------------------

# fmt: off
_LEADPRO_FIELDS: Final = _same((
    "first_name", "last_name", "full_name", "email", "phone", "type", "source", "address", "postcode",
    "advert_address", "advert_postcode", "advert_url", "advert_image", "title", "message",
    "appointment_availability", "meta", "questionnaire", "status", "stage", "gdpr_checkbox", "host",
    "average_sale_estimation", "average_rent_estimation", "property_reference", "property_bedrooms",
    "minimum_sale_estimation", "maximum_sale_estimation", "minimum_rent_estimation", "maximum_rent_estimation",
    "international", "property_type",
))
# fmt: on

_LEADPRO: Final = Preset(
    name="leadpro",
    label="LeadPro",
    rows=_rows(_LEADPRO_FIELDS, "data/{}"),
    records=_rows({"office_name": "office_name"}, "data/{}"),
    sample={
        "event": "lead.updated",
        "data": {
            "id": 1,
            "title": "Sir",
            "first_name": "Richard",
            "last_name": "Branson",
            "email": "rbranson@virgin.com",
            "type": "vendor",
            "source": "homepage",
            "phone": "07123456789",
            "address": "51 Asimov Place, Starbridge",
            "postcode": "N1 3JY",
            "advert_address": "51 Asimov Place, Starbridge",
            "advert_postcode": "N1 3JY",
            "advert_image": "https://via.placeholder.com/150",
            "advert_url": "https://www.site.com/result",
            "appointment_availability": {"hours": ["2021-01-01T08:00:00.000Z", "2021-01-01T09:00:00.000Z"]},
            "full_name": "Sir Ricard Branson",
            "message": "When can we view?",
            "meta": {"virtual tour": "true"},
        },
    },
    only_path="event",
    only_values=("lead.created", "lead.updated"),
    verification="jwt",
    note="The lead is read from the token in Authorization. Paste LeadPro's webhook signing secret here.",
)

# --- save_lead (Tomba) -----------------------------------------------------------------------------------------------

_SAVE_LEAD: Final = Preset(
    name="save_lead",
    label="save_lead (Tomba)",
    rows=_rows(
        {
            "email": "email",
            "company_name": "company",
            "first_name": "first_name",
            "last_name": "last_name",
            "phone": "phone",
            "website": "website",
            "job_title": "position",
            "person_x": "twitter",
            "person_linkedin": "linkedin",
            "notes": "notes",
            "score": "score",
        },
        "data/{}",
    ),
    sample={
        "data": {
            "email": "jane.smith@example.com",
            "company": "Smith & Sons",
            "first_name": "Jane",
            "last_name": "Smith",
            "phone": "+1-555-000-0000",
            "website": "https://smith.example.com",
            "position": "Buyer",
            "twitter": "",
            "linkedin": "",
            "notes": "",
            "score": 40,
        }
    },
    note="Choose the HTTP method POST there, and add the header Authorization with Bearer and the API key.",
)

# --- LeadHub ---------------------------------------------------------------------------------------------------------

_LEADHUB: Final = Preset(
    name="leadhub",
    label="LeadHub",
    rows=_rows(
        {
            "first_name": "first_name",
            "last_name": "last_name",
            "email": "email",
            "phone": "phone",
            "source": "source",
            "score": "lead_score",
            "tags": "tags",
        },
        "lead/{}",
    ),
    records=_rows({"pipeline": "pipeline", "stage_name": "stage", "owner": "assigned_to"}, "lead/{}"),
    sample={
        "event": "lead.created",
        "occurred_at": "2026-04-29T10:30:00Z",
        "lead": {
            "id": 123,
            "first_name": "Jane",
            "last_name": "Smith",
            "email": "jane.smith@example.com",
            "phone": "+1-555-000-0000",
            "source": "web_form",
            "status": "new",
            "lead_score": 45,
            "pipeline": "Sales Pipeline",
            "stage": "New Lead",
            "assigned_to": "alex.morgan@example.com",
            "tags": ["vip", "from-webinar"],
            "created_at": "2026-04-29T10:30:00Z",
        },
    },
    only_path="event",
    only_values=("lead.created", "lead.updated", "lead.stage_changed", "lead.assigned", "form.submitted"),
    verification="hmac",
    signature_header="X-LeadHub-Signature",
    note="Set the webhook's secret here and there. Deleted leads are ignored: the lead stays here.",
)

# --- LeadSquared -----------------------------------------------------------------------------------------------------

_LEADSQUARED_FIELDS: Final = {
    "first_name": "FirstName",
    "last_name": "LastName",
    "email": "EmailAddress",
    "phone": "Phone",
    "mobile_phone": "Mobile",
    "company_name": "Company",
    "job_title": "JobTitle",
    "source": "Source",
    "score": "Score",
}
_LEADSQUARED_RECORDS: Final = {"stage_name": "ProspectStage", "owner": "OwnerIdEmailAddress"}
_LEADSQUARED_SAMPLE: Final = {
    "ProspectID": "1842",
    "ProspectAutoId": "1842",
    "FirstName": "Jane",
    "LastName": "Smith",
    "EmailAddress": "jane.smith@example.com",
    "Phone": "+1-555-000-0000",
    "Mobile": None,
    "Company": None,
    "JobTitle": None,
    "Source": "Website",
    "ProspectStage": "New",
    "Score": "0",
    "OwnerId": None,
    "OwnerIdEmailAddress": None,
    "CreatedOn": "2026-11-21 09:14:05",
    "ModifiedOn": "2026-11-21 09:14:05",
    "LastModifiedOn": "2026-11-21 09:14:05",
    "LeadLastModifiedOn": "2026-11-21 09:14:05",
}

_LEADSQUARED_CREATED: Final = Preset(
    name="leadsquared",
    label="LeadSquared, lead created",
    rows=_rows(_LEADSQUARED_FIELDS),
    records=_rows(_LEADSQUARED_RECORDS),
    sample=_LEADSQUARED_SAMPLE,
    only_path="ProspectID",
    note=(
        "For Lead Creation, Lead Merge and Landing Page Submission, with the content type application/json. Add the "
        "custom header Authorization with Bearer and the API key."
    ),
)

_LEADSQUARED_CHANGED: Final = Preset(
    name="leadsquared_change",
    label="LeadSquared, lead changed",
    rows=_rows(_LEADSQUARED_FIELDS, "After/{}"),
    records=_rows(_LEADSQUARED_RECORDS, "After/{}"),
    sample={
        "Before": {**_LEADSQUARED_SAMPLE, "Score": "0"},
        "After": {**_LEADSQUARED_SAMPLE, "Score": "15", "ModifiedOn": "2026-11-21 09:20:41"},
    },
    only_path="After/ProspectID",
    note=(
        "For Lead Update and the changes of a field, stage, score or owner, with the content type application/json. "
        "Add the custom header Authorization with Bearer and the API key. Deleted leads are ignored."
    ),
)

# --- Standard Webhooks: another instance of this program -------------------------------------------------------------

# fmt: off
_OWN_FIELDS: Final = _same((
    "first_name", "last_name", "full_name", "email", "phone", "type", "source", "address", "postcode",
    "advert_address", "advert_postcode", "advert_url", "advert_image", "title", "message",
    "appointment_availability", "meta", "questionnaire", "status", "stage", "gdpr_checkbox", "host",
    "average_sale_estimation", "average_rent_estimation", "property_reference", "property_bedrooms",
    "minimum_sale_estimation", "maximum_sale_estimation", "minimum_rent_estimation", "maximum_rent_estimation",
    "international", "property_type", "score", "notes", "lead_status", "tags", "business_email", "personal_email",
    "mobile_phone", "office_phone", "phone_country", "phone_validation", "city", "state", "country", "time_zone",
    "gender", "about", "person_linkedin", "person_x", "person_facebook", "linkedin_summary", "company_name",
    "job_title", "job_department", "industry", "number_of_employees", "website", "website_summary",
    "company_linkedin", "company_x", "company_facebook", "lead_type", "life_cycle", "sentiment", "email_provider",
    "email_provider_type", "email_validation", "email_bounce_status", "email_bounce_sub_status",
    "email_subscription", "sms_subscription", "import_tags", "created_date", "modified_date", "last_contacted",
    "last_email_click_date", "last_email_open_date", "last_email_reply_date", "number_of_email_clicks",
    "number_of_email_opens", "number_of_email_replies", "number_of_emails", "number_of_phone_calls",
    "number_of_sms_replies", "number_of_sms_sent", "number_of_times_contacted", "lead_status_history",
    "life_cycle_history", "sentiment_history",
))
# fmt: on

_STANDARD: Final = Preset(
    name="standard",
    label="Standard Webhooks (leadcrm)",
    rows=_rows(_OWN_FIELDS, "data/{}"),
    records=_rows(
        {
            "office_name": "office_name",
            "owner": "owner",
            "pipeline": "pipeline",
            "stage_name": "stage_name",
            "company": "company",
            "lists": "lists/name",
            "campaigns": "campaigns/name",
        },
        "data/{}",
    ),
    sample={
        "type": "lead.updated",
        "timestamp": "2026-11-21T09:14:05.123456Z",
        "data": {
            "id": 1842,
            "first_name": "Olivia",
            "last_name": "Hartley",
            "full_name": "Olivia Hartley",
            "email": "olivia.hartley@example.com",
            "phone": "07123456789",
            "type": "vendor",
            "source": "website",
            "address": "51 Asimov Place, Starbridge",
            "postcode": "N1 3JY",
            "status": "IN_PROGRESS",
            "stage": "VALUATION_BOOKED",
            "score": 45,
            "tags": ["vip"],
            "business_email": "olivia.hartley@example.com",
            "city": "Starbridge",
            "country": "United Kingdom",
            "created_date": "2026-11-20T16:02:11Z",
        },
        "record": "lead",
        "version": 7,
        "changes": {"score": {"before": 40, "after": 45}},
        "actor": {"kind": "user", "id": 3, "name": "Dana Moss"},
    },
    only_path="type",
    only_values=(
        "lead.created",
        "lead.updated",
        "lead.assigned",
        "lead.stage_changed",
        "lead.status_changed",
        "lead.score_changed",
        "lead.field_changed",
        "form.submitted",
    ),
    verification="standard",
    note="What another instance of this program sends in its own format. Paste the secret of its webhook here.",
)

# --- others ----------------------------------------------------------------------------------------------------------

_FACEBOOK: Final = Preset(
    name="facebook_lead_ads",
    label="Facebook Lead Ads",
    rows=(
        *_rows(
            {
                "full_name": "full_name",
                "first_name": "first_name",
                "last_name": "last_name",
                "email": "email",
                "business_email": "work_email",
                "phone": "phone_number",
                "office_phone": "work_phone_number",
                "address": "street_address",
                "city": "city",
                "state": "state",
                "country": "country",
                "gender": "gender",
                "job_title": "job_title",
                "company_name": "company_name",
            },
            "field_data/name={}/values",
        ),
        Row("created_date", "created_time", steps=_DATE),
        Row("source", constant="facebook_lead_ads"),
    ),
    sample={
        "created_time": "2026-11-21T09:14:05+0000",
        "id": "4021558",
        "ad_id": "120210",
        "form_id": "914125",
        "field_data": [
            {"name": "full_name", "values": ["Jane Smith"]},
            {"name": "email", "values": ["jane.smith@example.com"]},
            {"name": "phone_number", "values": ["+447123456789"]},
            {"name": "city", "values": ["Oxford"]},
            {"name": "when_would_you_like_to_move?", "values": ["before July"]},
        ],
    },
    only_path="field_data",
    note=(
        "Facebook's own notice holds no more than the lead's id. A tool or program that fetches the lead posts it here "
        "as the Graph API gives it, with the API key as its Bearer token. A question of your own is at "
        "field_data/name=its_name/values."
    ),
)

_TYPEFORM: Final = Preset(
    name="typeform",
    label="Typeform",
    rows=(
        Row("email", "form_response/answers/type=email/email"),
        Row("phone", "form_response/answers/type=phone_number/phone_number"),
        Row("website", "form_response/answers/type=url/url"),
        Row("first_name", "form_response/answers/field.ref=first_name/text"),
        Row("last_name", "form_response/answers/field.ref=last_name/text"),
        Row("company_name", "form_response/answers/field.ref=company/text"),
        Row("message", "form_response/answers/field.type=long_text/text"),
        Row("source", "form_response/hidden/utm_source", fallback="typeform"),
        Row("created_date", "form_response/submitted_at", steps=_DATE),
    ),
    sample={
        "event_id": "01JD7Q2K3M",
        "event_type": "form_response",
        "form_response": {
            "form_id": "kT3zQ9",
            "token": "5f1c0a7be2",
            "submitted_at": "2026-11-21T09:14:05Z",
            "landed_at": "2026-11-21T09:12:40Z",
            "hidden": {"utm_source": "newsletter"},
            "definition": {
                "id": "kT3zQ9",
                "title": "Ask for a valuation",
                "fields": [
                    {"id": "f1", "title": "Your first name", "type": "short_text", "ref": "first_name"},
                    {"id": "f2", "title": "Your last name", "type": "short_text", "ref": "last_name"},
                    {"id": "f3", "title": "Your e-mail", "type": "email", "ref": "email"},
                    {"id": "f4", "title": "Your phone", "type": "phone_number", "ref": "phone"},
                    {"id": "f5", "title": "What can we do for you?", "type": "long_text", "ref": "wish"},
                ],
            },
            "answers": [
                {"type": "text", "text": "Jane", "field": {"id": "f1", "type": "short_text", "ref": "first_name"}},
                {"type": "text", "text": "Smith", "field": {"id": "f2", "type": "short_text", "ref": "last_name"}},
                {
                    "type": "email",
                    "email": "jane.smith@example.com",
                    "field": {"id": "f3", "type": "email", "ref": "email"},
                },
                {
                    "type": "phone_number",
                    "phone_number": "+447123456789",
                    "field": {"id": "f4", "type": "phone_number", "ref": "phone"},
                },
                {
                    "type": "text",
                    "text": "Please value our house.",
                    "field": {"id": "f5", "type": "long_text", "ref": "wish"},
                },
            ],
        },
    },
    only_path="event_type",
    only_values=("form_response",),
    verification="hmac",
    signature_header="Typeform-Signature",
    note=(
        "Set the webhook's secret here and there. An answer is known by its question's reference, which Typeform lets "
        "you name: form_response/answers/field.ref=first_name/text."
    ),
)

_HUBSPOT_FIELDS: Final = {
    "first_name": "firstname",
    "last_name": "lastname",
    "email": "email",
    "business_email": "work_email",
    "phone": "phone",
    "mobile_phone": "mobilephone",
    "address": "address",
    "city": "city",
    "state": "state",
    "postcode": "zip",
    "country": "country",
    "company_name": "company",
    "job_title": "jobtitle",
    "industry": "industry",
    "website": "website",
    "life_cycle": "lifecyclestage",
    "message": "message",
    "created_date": "createdate",
}
_HUBSPOT_PEOPLE: Final = {
    "firstname": "Jane",
    "lastname": "Smith",
    "email": "jane.smith@example.com",
    "phone": "+1 555 000 0000",
    "company": "Smith & Sons",
    "jobtitle": "Buyer",
    "lifecyclestage": "lead",
}

_HUBSPOT_WORKFLOW: Final = Preset(
    name="hubspot_workflow",
    label="HubSpot contact, workflow",
    rows=_rows(_HUBSPOT_FIELDS, "properties/{}/value"),
    sample={
        "vid": 51,
        "portal-id": 62515,
        "properties": {key: {"value": value, "versions": []} for key, value in _HUBSPOT_PEOPLE.items()}
        | {"createdate": {"value": "1795338845000", "versions": []}},
    },
    only_path="vid",
    note=(
        "What a contact workflow's action Send a webhook posts: each property as an object with its value. Send "
        "the API key in the header Authorization, after Bearer."
    ),
)

_HUBSPOT_CONTACT: Final = Preset(
    name="hubspot_contact",
    label="HubSpot contact, API",
    rows=_rows(_HUBSPOT_FIELDS, "properties/{}"),
    sample={
        "id": "51",
        "properties": {**_HUBSPOT_PEOPLE, "createdate": "2026-11-21T09:14:05.123Z"},
        "createdAt": "2026-11-21T09:14:05.123Z",
        "updatedAt": "2026-11-21T09:20:41.508Z",
        "archived": False,
    },
    only_path="properties/email",
    note=(
        "A contact as HubSpot's API gives it: each property a plain value. Send the API key in the header "
        "Authorization, after Bearer."
    ),
)

PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        _LEADENGINE_FLAT,
        _LEADENGINE_STATUS,
        _LEADPRO,
        _SAVE_LEAD,
        _LEADHUB,
        _LEADSQUARED_CREATED,
        _LEADSQUARED_CHANGED,
        _STANDARD,
        _FACEBOOK,
        _TYPEFORM,
        _HUBSPOT_WORKFLOW,
        _HUBSPOT_CONTACT,
    )
}
"""By name, in the order of a list to choose from."""
