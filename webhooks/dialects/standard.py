"""Standard Webhooks, our own format and the default: {"type", "timestamp", "data"} and what else an event has to say.

Source: the Standard Webhooks specification 1.0.0 (github.com/standard-webhooks/standard-webhooks,
spec/standard-webhooks.md), read 2026-11-21. Its signature is webhook-signature, which wire/signature.py makes.
"""

import base64
import secrets as randomness
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from webhooks.wire import document
from webhooks.wire.dialect import Dialect
from webhooks.wire.event import Event
from webhooks.wire.exchange import Headers
from webhooks.wire.retry import RetryPolicy
from webhooks.wire.signature import PREFIX, standard_proof
from webhooks.wire.summary import Summary, person
from webhooks.wire.verdict import judge

EVENTS = (
    "lead.created",
    "form.submitted",
    "lead.assigned",
    "lead.stage_changed",
    "lead.status_changed",
    "lead.score_changed",
    "lead.field_changed",
    "lead.updated",
    "lead.merged",
    "lead.deleted",
    "account.created",
    "account.updated",
    "account.deleted",
    "account_activity.created",
    "account_activity.updated",
    "activity.created",
    "activity.updated",
    "sales_activity.created",
    "sales_activity.updated",
    "sales_activity.cancelled",
    "opportunity.created",
    "opportunity.stage_changed",
    "opportunity.field_changed",
    "opportunity.updated",
    "opportunity.deleted",
    "product.created",
    "product.updated",
    "product.deleted",
    "task.created",
    "task.updated",
    "task.completed",
    "task.cancelled",
    "task.reminder",
    "user.created",
    "user.activation_changed",
    "user.availability_changed",
    "user.updated",
    "leave.created",
    "leave.updated",
    "leave.deleted",
)
"""All that can happen, in the order in which one unit of work tells it; "account" is a company."""

MINUTE, HOUR = 60.0, 3600.0

WAITS = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""The specification's example schedule: ten tries over 75 hours and 35 minutes."""


def hears(event: Event) -> str | None:
    return event.type if event.type in EVENTS else None


def render(event: Event, heard_as: str, settings: Mapping[str, Any]) -> bytes:
    """The specification's three keys, then ours: record, version, changes, actor, and the event's own context.

    timestamp is when it happened, to the microsecond as in the specification's example. data is the record as it was
    then, whole: unset is null. changes is {key: {"before", "after"}}. Of form.submitted, the context is "form".
    Raises ValueError for what JSON or UTF-8 cannot say (NaN, a lone surrogate).
    """
    changes = {key: {"before": before, "after": after} for key, (before, after) in event.changes.items()}
    return document.write(
        {
            "type": heard_as,
            "timestamp": event.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "data": document.plain(event.data),
            "record": event.record,
            "version": event.version,
            "changes": document.plain(changes),
            "actor": event.actor,
            **event.context,
        }
    )


def sign(body: bytes, secrets: Sequence[str], settings: Mapping[str, Any], https: bool) -> Headers:
    """Nothing beside webhook-signature."""
    return ()


def new_secret() -> str:
    """whsec_ and the base64 of 32 random bytes; the specification asks for 24 to 64."""
    return PREFIX + base64.b64encode(randomness.token_bytes(32)).decode()


def sample(settings: Mapping[str, Any]) -> bytes:
    """A change of stage, about a person who does not exist."""
    return document.write(_SAMPLE)


def summary(body: bytes) -> Summary:
    received = document.read(body)
    type_ = received.get("type")
    return Summary(type_ if isinstance(type_, str) else "", person(received.get("data")))


_SAMPLE: Mapping[str, Any] = {
    "type": "lead.stage_changed",
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
        "advert_address": None,
        "advert_postcode": None,
        "advert_url": None,
        "advert_image": None,
        "title": "Mrs",
        "message": "When could you value our house?",
        "appointment_availability": {"hours": ["2026-11-24T10:00:00.000Z"]},
        "meta": {"utm_campaign": "autumn"},
        "questionnaire": [["Do you have property to sell?", "yes"]],
        "parent_id": None,
        "created_at": "2026-11-20T16:02:11.004Z",
        "status": "IN_PROGRESS",
        "stage": "VALUATION_BOOKED",
        "gdpr_checkbox": True,
        "host": "https://www.example.com",
        "average_sale_estimation": 410000,
        "average_rent_estimation": None,
        "office_id": 567,
        "property_reference": None,
        "property_bedrooms": 4,
        "office_name": "Oxford",
        "minimum_sale_estimation": None,
        "maximum_sale_estimation": None,
        "minimum_rent_estimation": None,
        "maximum_rent_estimation": None,
        "comparable_props": [],
        "international": None,
        "account_id": 9999,
        "account_name": "Skyline Estates",
        "referred_by_office_id": None,
        "referred_by_office_name": None,
        "referred_by_account_id": None,
        "referred_by_account_name": None,
        "property_type": "semi-detached",
        "owner_id": 3,
        "owner": "dana.moss@example.com",
        "owner_name": "Dana Moss",
        "pipeline_id": 1,
        "pipeline": "Sales Pipeline",
        "pipeline_stage_id": 7,
        "stage_name": "Valuation booked",
        "stage_outcome": "open",
        "score": 45,
        "notes": None,
        "custom_fields": {"preferred_agent": "Sam"},
        "lead_status": "Meeting Booked",
        "tags": ["vip"],
        "lists": [{"id": 3, "name": "Newsletter"}],
        "campaigns": [{"id": 5, "name": "Autumn valuations"}],
        "business_email": "olivia.hartley@example.com",
        "personal_email": None,
        "mobile_phone": None,
        "office_phone": None,
        "phone_country": None,
        "phone_validation": None,
        "city": "Starbridge",
        "state": None,
        "country": "United Kingdom",
        "time_zone": "Europe/London",
        "gender": None,
        "about": None,
        "person_linkedin": None,
        "person_x": None,
        "person_facebook": None,
        "linkedin_summary": None,
        "company_name": "Hartley Design",
        "job_title": "Owner",
        "job_department": None,
        "industry": None,
        "number_of_employees": None,
        "website": "https://hartley.example.com",
        "website_summary": None,
        "company_linkedin": None,
        "company_x": None,
        "company_facebook": None,
        "lead_type": None,
        "life_cycle": None,
        "sentiment": None,
        "email_provider": None,
        "email_provider_type": None,
        "email_validation": None,
        "email_bounce_status": None,
        "email_bounce_sub_status": None,
        "email_subscription": None,
        "sms_subscription": None,
        "import_tags": [],
        "created_date": "2026-11-20T16:02:11Z",
        "modified_date": "2026-11-21T09:14:05Z",
        "last_contacted": "2026-11-21T08:58:10Z",
        "last_email_click_date": None,
        "last_email_open_date": None,
        "last_email_reply_date": "2026-11-21T09:10:22Z",
        "number_of_email_clicks": None,
        "number_of_email_opens": None,
        "number_of_email_replies": 1,
        "number_of_emails": 1,
        "number_of_phone_calls": None,
        "number_of_sms_replies": None,
        "number_of_sms_sent": None,
        "number_of_times_contacted": 1,
        "lead_status_history": ["Conversation", "Meeting Booked"],
        "life_cycle_history": [],
        "sentiment_history": [],
        "company_id": 12,
        "company": "Hartley Design Ltd",
        "messages": [
            {
                "id": 71,
                "type": "outbound",
                "subject": "Your valuation",
                "body": "Would Tuesday at ten suit you?",
                "from": {"name": "Dana Moss", "address": "dana.moss@example.com"},
                "to": {"name": "Olivia Hartley", "address": "olivia.hartley@example.com"},
                "date": "2026-11-21T08:58:10Z",
                "campaign": "Autumn valuations",
                "angle": None,
                "framework": None,
                "test": None,
                "tone": None,
                "campaign_step": None,
                "word_limit": None,
            },
            {
                "id": 72,
                "type": "inbound",
                "subject": "Re: Your valuation",
                "body": "Tuesday at ten is fine.",
                "from": {"name": "Olivia Hartley", "address": "olivia.hartley@example.com"},
                "to": {"name": "Dana Moss", "address": "dana.moss@example.com"},
                "date": "2026-11-21T09:10:22Z",
                "campaign": None,
                "angle": None,
                "framework": None,
                "test": None,
                "tone": None,
                "campaign_step": None,
                "word_limit": None,
            },
        ],
    },
    "record": "lead",
    "version": 7,
    "changes": {
        "pipeline_stage_id": {"before": 4, "after": 7},
        "stage": {"before": "CONTACTED", "after": "VALUATION_BOOKED"},
        "stage_name": {"before": "Contacted", "after": "Valuation booked"},
    },
    "actor": {"kind": "user", "id": 3, "name": "Dana Moss"},
}

DIALECT = Dialect(
    name="standard",
    label="Standard Webhooks",
    description="Every event with the whole lead, what changed and who changed it, signed by webhook-signature.",
    events=EVENTS,
    hears=hears,
    render=render,
    sign=sign,
    verify=standard_proof,
    judge=judge,
    retry=RetryPolicy(waits=WAITS),
    deadline=15.0,
    new_secret=new_secret,
    sample=sample,
    summary=summary,
    webhook_headers="always",
)
