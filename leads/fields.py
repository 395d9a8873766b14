"""The catalogue of lead fields: the one place that says which fields a lead has and what each may hold.

Forms, API, documentation, import and inbound mapping read it; validation.py turns its limits into rules. It is data
only: no Django, no look-ups. The 44 fields, in this order, are those of the LeadPro page "Using Webhooks", read
2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal[
    "text",  # str
    "email",  # str
    "number",  # int or float
    "integer",  # int, 0 or more
    "boolean",
    "choice",  # one of the codes in choices, exactly as written
    "hours",  # {"hours": ["2021-04-22T10:00:00.000Z", ...], ...}
    "pairs",  # {"any key": "text", ...}
    "questions",  # [["question", "answer"], ...]
    "comparables",  # [{"address": "68 Uftwen Road", "beds": 4, ...}, ...]
    "datetime",  # aware; ISO 8601 with milliseconds and Z on the wire
    "reference",  # int, the id of another record
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
    writeable   clients of the API may set it; if not, what they send is ignored
    post_only   writeable when a lead is created by the API, ignored afterwards
    column      Lead has an attribute of this name (a column, or a look-up through one); else it lives in Lead.details
    nullable    may be None on a stored lead
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
    writeable: bool = True
    post_only: bool = False
    column: bool = False
    nullable: bool = True
    systems: Mapping[str, str] = field(default_factory=dict, hash=False)
    help: str = ""

    def __post_init__(self) -> None:
        if not self.wire:
            object.__setattr__(self, "wire", self.key)


CONTACT, LEAD, PROPERTY, VALUATION = "Contact", "Lead", "Property", "Valuation"
MESSAGE, MARKETING, REFERRAL, SYSTEM = "Message", "Marketing", "Referral", "System"

# In the order of the form.
GROUPS: tuple[str, ...] = (CONTACT, LEAD, PROPERTY, VALUATION, MESSAGE, MARKETING, REFERRAL, SYSTEM)

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

FIELDS: tuple[Field, ...] = tuple(replace(entry, systems={"leadpro": entry.wire}) for entry in _LEADPRO)

BY_KEY: dict[str, Field] = {entry.key: entry for entry in FIELDS}
BY_WIRE: dict[str, Field] = {entry.wire: entry for entry in FIELDS}
