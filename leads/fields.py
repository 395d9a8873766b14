"""The catalogue of lead fields: the one place that says which fields a lead has and what each may hold.

Forms, API, documentation, import and inbound mapping read it; validation.py turns its limits into rules. It is data
only: no Django, no look-ups. The first 44 fields, in this order, are those of the LeadPro page "Using Webhooks"; the
names in `systems` are those of LeadPro's, Tomba's (save_lead), LeadEngine's and LeadHub's pages, all read 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal[
    "text",  # str
    "email",  # str
    "number",  # int or float
    "integer",  # int, `lowest` or more
    "boolean",
    "choice",  # one of the codes in choices, exactly as written
    "hours",  # {"hours": ["2021-04-22T10:00:00.000Z", ...], ...}
    "pairs",  # {"any key": "text", ...}
    "questions",  # [["question", "answer"], ...]
    "comparables",  # [{"address": "68 Uftwen Road", "beds": 4, ...}, ...]
    "datetime",  # ISO 8601 in UTC with Z: whole seconds, only createdAt with milliseconds
    "reference",  # int, the id of another record
    "texts",  # ["text", ...]
    "labels",  # ["name", ...], each the name of a record of the account: tags, lists, campaigns
    "custom",  # {"key": value, ...}, by the account's own definitions
]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a lead.

    key         our name, unique; the name in Lead.get(), Lead.set() and Lead.values()
    label       what staff read, in sentence case
    kind        what a value is, see Kind; None stands for "unset" in every kind
    group       the part of the form it belongs to, one of GROUPS
    wire        its name in the API and in LeadPro's payload; the key unless given
    min_length, max_length   Unicode code points
    max_bytes   UTF-8 bytes of the value as compact JSON
    choices     (code, label) pairs
    decimals    decimal places at most
    lowest, highest   of an integer
    writeable   clients of the API may set it; if not, what they send is ignored
    post_only   writeable when a lead is created by the API, ignored afterwards
    column      Lead has an attribute of this name (a column, or a look-up through one); else it lives in Lead.details
    nullable    may be None on a stored lead
    kept        cannot be emptied once it is set
    measured    a fact about messages: other systems may set it as a base, staff only read it
    systems     system -> the name that system gives the field
    help        one short sentence for whoever fills it in
    """

    key: str
    label: str
    kind: Kind
    group: str
    wire: str = ""
    min_length: int | None = None
    max_length: int | None = None
    max_bytes: int | None = None
    choices: tuple[tuple[str, str], ...] = ()
    decimals: int | None = None
    lowest: int = 0
    highest: int = 2**31 - 1
    writeable: bool = True
    post_only: bool = False
    column: bool = False
    nullable: bool = True
    kept: bool = False
    measured: bool = False
    systems: Mapping[str, str] = field(default_factory=dict, hash=False)
    help: str = ""

    def __post_init__(self) -> None:
        if not self.wire:
            object.__setattr__(self, "wire", self.key)


CONTACT, LEAD, COMPANY, PROPERTY, VALUATION = "Contact", "Lead", "Company", "Property", "Valuation"
MESSAGE, MARKETING, ENGAGEMENT, CUSTOM = "Message", "Marketing", "Engagement", "Custom"
REFERRAL, SYSTEM = "Referral", "System"

# In the order of the form.
GROUPS: tuple[str, ...] = (
    CONTACT,
    LEAD,
    CUSTOM,
    COMPANY,
    PROPERTY,
    VALUATION,
    MESSAGE,
    MARKETING,
    ENGAGEMENT,
    REFERRAL,
    SYSTEM,
)

TYPES: tuple[tuple[str, str], ...] = (
    ("sale", "Sale"),
    ("vendor", "Vendor"),
    ("landlord", "Landlord"),
    ("let", "Let"),
    ("mortgage_request", "Mortgage request"),
)

STATUSES: tuple[tuple[str, str], ...] = (
    ("UNREAD", "Unread"),
    ("IN_PROGRESS", "In progress"),
    ("NO_BUSINESS", "No business"),
    ("BUSINESS", "Business"),
    ("DUPLICATE", "Duplicate"),
)

# The page prints this list with commas missing in three places, and its examples of status and stage are in neither
# list: the lists are what counts.
STAGES: tuple[tuple[str, str], ...] = (
    ("NEW", "New"),
    ("CONTACTED", "Contacted"),
    ("KEEP_IN_TOUCH", "Keep in touch"),
    ("LOST", "Lost"),
    ("NOT_CONTACTABLE", "Not contactable"),
    ("WON", "Won"),
    ("VALUATION_BOOKED", "Valuation booked"),
    ("INSTRUCTED", "Instructed"),
    ("VIEWING_BOOKED", "Viewing booked"),
    ("REGISTERED", "Registered"),
    ("DUPLICATE", "Duplicate"),
    ("SPAM", "Spam"),
    ("DELETED", "Deleted"),
)

LEAD_STATUSES: tuple[str, ...] = (
    "Follow Up",
    "Needs Info",
    "Conversation",
    "Opportunity",
    "Not Interested",
    "Do Not Contact",
    "Unsubscribe",
    "Auto Reply",
    "Hard Bounce",
    "Soft Bounce",
    "Out of Office",
    "Unknown",
    "Wrong Contact",
    "Meeting Booked",
)

OUTCOMES: tuple[tuple[str, str], ...] = (("open", "Open"), ("win", "Win"), ("loss", "Loss"))

PROPERTY_TYPES: tuple[tuple[str, str], ...] = (
    ("detached", "Detached"),
    ("semi-detached", "Semi-detached"),
    ("terraced", "Terraced"),
    ("flat-maisonette", "Flat or maisonette"),
)

_LEADPRO: tuple[Field, ...] = (
    Field("id", "ID", "integer", SYSTEM, writeable=False, column=True, nullable=False),
    Field("first_name", "First name", "text", CONTACT, min_length=1, max_length=50, column=True),
    Field("last_name", "Last name", "text", CONTACT, min_length=1, max_length=50, column=True),
    Field(
        "full_name",
        "Full name",
        "text",
        CONTACT,
        min_length=1,
        max_length=100,
        column=True,
        help="Made from first and last name when left empty.",
    ),
    Field("email", "E-mail", "email", CONTACT, max_length=254, column=True),
    Field(
        "phone",
        "Phone",
        "text",
        CONTACT,
        max_length=255,
        column=True,
        help="Kept as entered. Only valid UK numbers are called by the autocaller.",
    ),
    Field("type", "Type", "choice", LEAD, choices=TYPES, column=True, help="Decides which other fields are required."),
    Field(
        "source",
        "Source",
        "text",
        LEAD,
        max_length=255,
        post_only=True,
        column=True,
        help="Where the lead came from, such as rightmove.",
    ),
    Field("address", "Address", "text", CONTACT, max_length=100, column=True),
    Field("postcode", "Postcode", "text", CONTACT, min_length=2, max_length=10, column=True),
    Field("advert_address", "Advert address", "text", PROPERTY, max_length=100),
    Field("advert_postcode", "Advert postcode", "text", PROPERTY, min_length=2, max_length=10),
    Field("advert_url", "Advert URL", "text", PROPERTY, max_length=255, help="The page of the advert."),
    Field("advert_image", "Advert image", "text", PROPERTY, max_length=255, help="The URL of the advert's picture."),
    Field("title", "Title", "text", CONTACT, min_length=1, max_length=10, column=True, help="Mr, Mrs, Dr."),
    Field("message", "Message", "text", MESSAGE, max_length=8192),
    Field(
        "appointment_availability",
        "Appointment availability",
        "hours",
        MESSAGE,
        max_bytes=2048,
        help="Dates and times at which an appointment suits the lead.",
    ),
    Field("meta", "Extra details", "pairs", MARKETING, max_bytes=1024, help="Any further facts, as name and text."),
    Field("questionnaire", "Questionnaire", "questions", MESSAGE, max_bytes=2048, help="Questions and their answers."),
    Field(
        "parent_id",
        "Parent lead",
        "reference",
        LEAD,
        wire="parentId",
        column=True,
        help="The lead of the same account that this one belongs to.",
    ),
    Field(
        "created_at",
        "Created",
        "datetime",
        SYSTEM,
        wire="createdAt",
        writeable=False,
        column=True,
        nullable=False,
    ),
    Field("status", "Status", "choice", LEAD, choices=STATUSES, column=True, nullable=False),
    Field("stage", "Stage", "choice", LEAD, choices=STAGES, column=True, nullable=False),
    Field("gdpr_checkbox", "GDPR consent", "boolean", MARKETING, help="Unknown until the lead was asked."),
    Field("host", "Host", "text", MARKETING, max_length=255, help="The website the lead was made on."),
    Field("average_sale_estimation", "Average sale estimate", "number", VALUATION, decimals=2),
    Field("average_rent_estimation", "Average rent estimate", "number", VALUATION, decimals=2),
    Field("office_id", "Office", "reference", LEAD, column=True),
    Field(
        "property_reference",
        "Property reference",
        "text",
        PROPERTY,
        max_length=50,
        column=True,
        help="Your own reference of the property.",
    ),
    Field("property_bedrooms", "Bedrooms", "integer", PROPERTY),
    Field("office_name", "Office name", "text", LEAD, max_length=100, writeable=False, column=True),
    Field("minimum_sale_estimation", "Minimum sale estimate", "number", VALUATION, decimals=2),
    Field("maximum_sale_estimation", "Maximum sale estimate", "number", VALUATION, decimals=2),
    Field("minimum_rent_estimation", "Minimum rent estimate", "number", VALUATION, decimals=2),
    Field("maximum_rent_estimation", "Maximum rent estimate", "number", VALUATION, decimals=2),
    # Not writeable by clients; staff edit it as rows.
    Field(
        "comparable_props",
        "Comparable properties",
        "comparables",
        VALUATION,
        max_bytes=4096,
        writeable=False,
        nullable=False,
        help="Similar properties sold nearby.",
    ),
    Field("international", "International", "boolean", MARKETING),
    Field("account_id", "Account", "reference", SYSTEM, writeable=False, column=True, nullable=False),
    Field("account_name", "Account name", "text", SYSTEM, max_length=100, writeable=False, column=True, nullable=False),
    Field("referred_by_office_id", "Referring office", "reference", REFERRAL, writeable=False, column=True),
    Field(
        "referred_by_office_name",
        "Referring office name",
        "text",
        REFERRAL,
        max_length=100,
        writeable=False,
        column=True,
    ),
    Field("referred_by_account_id", "Referring account", "reference", REFERRAL, writeable=False, column=True),
    Field(
        "referred_by_account_name",
        "Referring account name",
        "text",
        REFERRAL,
        max_length=100,
        writeable=False,
        column=True,
    ),
    Field("property_type", "Property type", "choice", PROPERTY, choices=PROPERTY_TYPES),
)


def _text(key: str, label: str, group: str, **options: Any) -> Field:
    return Field(key, label, "text", group, **({"max_length": 255} | options))


def _moment(key: str, label: str, **options: Any) -> Field:
    return Field(key, label, "datetime", ENGAGEMENT, **({"measured": True} | options))


def _count(key: str, label: str) -> Field:
    return Field(key, label, "integer", ENGAGEMENT, measured=True)


def _texts(key: str, label: str, group: str, **options: Any) -> Field:
    return Field(key, label, "texts", group, max_bytes=8192, **options)


_OURS: tuple[Field, ...] = (
    Field("owner_id", "Owner", "reference", LEAD, column=True),
    Field("owner", "Owner e-mail", "text", SYSTEM, writeable=False, column=True),
    Field("owner_name", "Owner name", "text", SYSTEM, writeable=False, column=True),
    Field("pipeline_id", "Pipeline", "reference", LEAD, column=True, nullable=False),
    Field("pipeline", "Pipeline name", "text", SYSTEM, writeable=False, column=True, nullable=False),
    Field(
        "pipeline_stage_id",
        "Pipeline stage",
        "reference",
        LEAD,
        column=True,
        nullable=False,
        help="A stage of the lead's pipeline.",
    ),
    Field("stage_name", "Stage name", "text", SYSTEM, writeable=False, column=True, nullable=False),
    Field("stage_outcome", "Stage outcome", "choice", SYSTEM, choices=OUTCOMES, writeable=False, column=True),
    Field("score", "Score", "integer", LEAD, lowest=-(2**31) + 1, column=True, nullable=False),
    _text("notes", "Notes", LEAD, max_length=8192),
    Field("custom_fields", "Custom fields", "custom", CUSTOM, max_bytes=16384, column=True, nullable=False),
)

# LeadEngine's defaults under its names; those that had an older name here are in _NAMED. Its page names fields only:
# their kinds are our reading.
_LEADENGINE: tuple[Field, ...] = (
    Field(
        "lead_status",
        "Lead status",
        "choice",
        LEAD,
        choices=tuple((status, status) for status in LEAD_STATUSES),
        column=True,
        kept=True,
        help="How the conversation stands. Independent of status and stage.",
    ),
    Field("tags", "Tags", "labels", LEAD, max_length=100),
    Field("lists", "Lists", "labels", LEAD, max_length=100),
    Field("campaigns", "Campaigns", "labels", LEAD, max_length=100),
    Field("business_email", "Business e-mail", "email", CONTACT, max_length=254, column=True),
    Field("personal_email", "Personal e-mail", "email", CONTACT, max_length=254),
    _text("mobile_phone", "Mobile phone", CONTACT),
    _text("office_phone", "Office phone", CONTACT),
    _text("phone_country", "Phone country", CONTACT),
    _text("phone_validation", "Phone validation", CONTACT),
    _text("city", "City", CONTACT),
    _text("state", "State", CONTACT),
    _text("country", "Country", CONTACT),
    _text("time_zone", "Time zone", CONTACT),
    _text("gender", "Gender", CONTACT),
    _text("about", "About", CONTACT, max_length=8192),
    _text("person_linkedin", "LinkedIn", CONTACT),
    _text("person_x", "X", CONTACT),
    _text("person_facebook", "Facebook", CONTACT),
    _text("linkedin_summary", "LinkedIn summary", CONTACT, max_length=8192),
    _text("company_name", "Company", COMPANY, column=True),
    _text("job_title", "Job title", COMPANY),
    _text("job_department", "Department", COMPANY),
    _text("industry", "Industry", COMPANY),
    Field("number_of_employees", "Employees", "integer", COMPANY),
    _text("website", "Website", COMPANY),
    _text("website_summary", "Website summary", COMPANY, max_length=8192),
    _text("company_linkedin", "Company LinkedIn", COMPANY),
    _text("company_x", "Company X", COMPANY),
    _text("company_facebook", "Company Facebook", COMPANY),
    _text("lead_type", "Lead type", MARKETING, help="As another system calls it; type decides what is required."),
    _text("life_cycle", "Life cycle", MARKETING),
    _text("sentiment", "Sentiment", MARKETING),
    _text("email_provider", "E-mail provider", MARKETING),
    _text("email_provider_type", "E-mail provider type", MARKETING),
    _text("email_validation", "E-mail validation", MARKETING),
    _text("email_bounce_status", "E-mail bounce status", MARKETING),
    _text("email_bounce_sub_status", "E-mail bounce sub-status", MARKETING),
    _text("email_subscription", "E-mail subscription", MARKETING),
    _text("sms_subscription", "SMS subscription", MARKETING),
    _texts("import_tags", "Import tags", MARKETING),
    _moment("created_date", "Created date", column=True, measured=False),
    _moment("modified_date", "Modified date", column=True, nullable=False),
    _moment("last_contacted", "Last contacted"),
    _moment("last_email_click_date", "Last e-mail click"),
    _moment("last_email_open_date", "Last e-mail opened"),
    _moment("last_email_reply_date", "Last e-mail reply"),
    _count("number_of_email_clicks", "E-mail clicks"),
    _count("number_of_email_opens", "E-mails opened"),
    _count("number_of_email_replies", "E-mail replies"),
    _count("number_of_emails", "E-mails"),
    _count("number_of_phone_calls", "Phone calls"),
    _count("number_of_sms_replies", "SMS replies"),
    _count("number_of_sms_sent", "SMS sent"),
    _count("number_of_times_contacted", "Times contacted"),
    _texts("lead_status_history", "Lead status history", ENGAGEMENT, measured=True),
    _texts("life_cycle_history", "Life cycle history", ENGAGEMENT, measured=True),
    _texts("sentiment_history", "Sentiment history", ENGAGEMENT, measured=True),
)

# Of records that came later: behind what receivers know.
_LATER: tuple[Field, ...] = (
    Field(
        "company_id",
        "Linked company",
        "reference",
        COMPANY,
        column=True,
        help="One of the account's companies. The name beside it stays what the lead gave.",
    ),
    Field("company", "Linked company name", "text", SYSTEM, writeable=False, column=True),
)

# System -> our key -> the system's name.
_NAMED: Mapping[str, Mapping[str, str]] = {
    "leadpro": {entry.key: entry.wire for entry in _LEADPRO},
    "leadengine": {
        **{entry.key: entry.key for entry in _LEADENGINE},
        "first_name": "first_name",
        "last_name": "last_name",
        "full_name": "name",
        "source": "lead_source",
        "address": "street_address",
        "postcode": "postal_code",
        "owner": "contact_owner",
    },
    "save_lead": {
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
    "leadhub": {
        "id": "id",
        "first_name": "first_name",
        "last_name": "last_name",
        "email": "email",
        "phone": "phone",
        "source": "source",
        "status": "status",
        "score": "lead_score",
        "pipeline": "pipeline",
        "stage_name": "stage",
        "owner": "assigned_to",
        "tags": "tags",
        "created_at": "created_at",
    },
}


def _systems(key: str) -> dict[str, str]:
    return {system: names[key] for system, names in _NAMED.items() if key in names}


FIELDS: tuple[Field, ...] = tuple(
    replace(entry, systems=_systems(entry.key)) for entry in (*_LEADPRO, *_OURS, *_LEADENGINE, *_LATER)
)

# What a field of this kind holds when it is unset; None everywhere else.
EMPTY: Mapping[Kind, Any] = {"comparables": [], "texts": [], "labels": [], "custom": {}}

BY_KEY: dict[str, Field] = {entry.key: entry for entry in FIELDS}
BY_WIRE: dict[str, Field] = {entry.wire: entry for entry in FIELDS}
