"""LeadEngine, outbound: a change of lead status as 8 keys, with the lead's fields as a list and its thread of messages.

Source: LeadEngine's help article on webhooks, sections 2, 4, 6 and 7, read 2026-11-21. Where it is silent or
contradicts itself, the readings LE-A1 to LE-A34 in docs/leadengine.md decide.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from webhooks.wire import document, verdict
from webhooks.wire.dialect import Dialect, Setting
from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, Headers, Request, Response
from webhooks.wire.retry import RetryPolicy
from webhooks.wire.signature import new_secret, sign_hmac_sha256, verify_hmac_sha256
from webhooks.wire.summary import Summary
from webhooks.wire.verdict import Proof, Verdict, Verified

TRIGGER = "lead_status_updated"

SIGNATURE = "X-LeadEngine-Signature"
SECRET = "X-LeadEngine-Secret"

# fmt: off
FIELDS = (
    "about", "business_email", "campaigns", "city", "company_facebook", "company_linkedin", "company_name",
    "company_x", "contact_owner", "country", "created_date", "personal_email", "email_bounce_status",
    "email_bounce_sub_status", "email_provider", "email_provider_type", "email_subscription",
    "email_validation", "first_name", "gender", "import_tags", "industry", "job_department", "job_title",
    "last_contacted", "last_email_click_date", "last_email_open_date", "last_email_reply_date", "last_name",
    "lead_source", "lead_status", "lead_status_history", "lead_type", "life_cycle", "life_cycle_history",
    "person_linkedin", "linkedin_summary", "lists", "mobile_phone", "modified_date", "name",
    "number_of_email_clicks", "number_of_email_opens", "number_of_email_replies", "number_of_emails",
    "number_of_employees", "number_of_phone_calls", "number_of_sms_replies", "number_of_sms_sent",
    "number_of_times_contacted", "office_phone", "person_facebook", "person_x", "phone_country",
    "phone_validation", "postal_code", "sentiment", "sentiment_history", "sms_subscription", "state",
    "street_address", "tags", "time_zone", "website", "website_summary",
)
# fmt: on
"""The default fields in the order of LeadEngine's list. Its second business_email is the first one (LE-A3)."""

NAMES = {
    "contact_owner": "owner",
    "lead_source": "source",
    "name": "full_name",
    "postal_code": "postcode",
    "street_address": "address",
}
"""Our name of a default field, where it is not LeadEngine's."""

MESSAGE = (
    "angle",
    "framework",
    "test",
    "body",
    "tone",
    "from",
    "campaign_step",
    "word_limit",
    "type",
    "subject",
    "to",
    "date",
)
"""A message's keys in the order of the sample's first one."""

GENERATED = frozenset({"angle", "framework", "test", "tone", "campaign_step", "word_limit"})
"""What only a message that was generated for sending says of itself (LE-A10)."""

_SOURCES = tuple((key, NAMES.get(key, key)) for key in FIELDS)

OMIT_EMPTY = Setting(
    name="omit_empty",
    label="Leave out empty fields",
    help=(
        "Sends only fields that have a value. The receiver then cannot tell a field that was cleared from one that was "
        "never set."
    ),
    default=False,
    kind="yes_no",
)


def hears(event: Event) -> str | None:
    """Lead status, LeadEngine's own of 14 labels, is the one thing it tells (LE-4, LE-A34)."""
    return TRIGGER if event.type == "lead.status_changed" else None


def render(event: Event, heard_as: str, settings: Mapping[str, Any]) -> bytes:
    """The 8 keys in the order of the page's sample; nothing in the body names the event.

    Raises ValueError for what JSON or UTF-8 cannot say (NaN, a lone surrogate).
    """
    data = event.data
    messages = data.get("messages") or []
    campaigns = [campaign["name"] for campaign in data.get("campaigns") or []]
    latest = messages[-1]["campaign"] if messages else None
    return document.write(
        {
            "new_lead_status": data.get("lead_status"),
            "lead_name": data.get("full_name"),
            "lead_email_address": data.get("business_email") or data.get("personal_email") or data.get("email"),
            "workspace_name": data.get("account_name"),
            "campaign_name": latest or (campaigns[-1] if campaigns else None),
            "customFields": _fields(data, campaigns, bool(settings.get("omit_empty"))),
            "messages": [_message(message) for message in messages],
            "previous_lead_status": event.changes["lead_status"][0],
        }
    )


def sign(body: bytes, secrets: Sequence[str], settings: Mapping[str, Any], https: bool) -> Headers:
    """The HMAC of the body, and the shared secret itself where nobody can read it on the way (LE-A18).

    Both are of the current secret; a next one waits until it is the current one (LP-A35).
    """
    if not secrets:
        return ()
    signature = (SIGNATURE, sign_hmac_sha256(body, secrets[0]))
    return ((SECRET, secrets[0]), signature) if https else (signature,)


def verify(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> Verified:
    """Check the signature, and the shared secret where one came along; both in constant time.

    The shared secret alone shows who sent, but vouches for no body: without a signature nothing is verified.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    signature, shared = lowered.get(SIGNATURE.lower()), lowered.get(SECRET.lower())
    if not signature and not shared:
        return Verified(Proof.UNSIGNED, f"There is no {SIGNATURE} header.")
    if not secrets:
        return Verified(Proof.WRONG, "There is a signature or a secret, but no secret to check it with.")
    if shared and not any(hmac.compare_digest(_raw(shared), _raw(secret)) for secret in secrets):
        return Verified(Proof.WRONG, f"{SECRET} is not this webhook's secret.")
    if not signature:
        return Verified(Proof.UNSIGNED, f"{SECRET} is right, but there is no {SIGNATURE} header.")
    if not verify_hmac_sha256(body, signature, secrets):
        return Verified(Proof.WRONG, f"{SIGNATURE} is not sha256= and the HMAC of this body by this webhook's secret.")
    return Verified(Proof.VERIFIED, f"{SIGNATURE} fits the body and the secret.", body, True)


def judge(answer: Response | Failure, request: Request, now: datetime) -> Verdict:
    """Any 2xx is success; 5xx, 429 and failures of the network are tried again, every other answer is final (LE-A1)."""
    result = verdict.judge(answer, request, now)
    if isinstance(answer, Failure) or answer.status == 429 or answer.status >= 500:
        return result
    return replace(result, retry=False)


def sample(settings: Mapping[str, Any]) -> bytes:
    """LeadEngine's own example, slips and all (LE-A7, LE-A25), without the rows of dots, which no JSON can hold."""
    return document.write(_SAMPLE)


def summary(body: bytes) -> Summary:
    """The body names no event, but only one has these keys."""
    received = document.read(body)
    if "new_lead_status" not in received:
        return Summary("", "")
    names = (received.get("lead_name"), received.get("lead_email_address"))
    return Summary(TRIGGER, next((name for name in names if isinstance(name, str) and name), ""))


def _fields(data: Mapping[str, Any], campaigns: Sequence[str], omit_empty: bool) -> list[dict[str, Any]]:
    """All defaults in the list's order, then email, then the account's own; an empty value is null (LE-A3, LE-A6)."""
    lists = [one["name"] for one in data.get("lists") or []]
    record = {**data, "campaigns": campaigns, "lists": lists}
    pairs = [(key, record.get(ours)) for key, ours in _SOURCES]
    pairs.append(("email", record.get("email")))
    pairs += document.plain(data.get("custom_fields") or {}).items()  # 1 and not 1.0 (LE-42)
    # 0 and False are values: a counter may stand at nought.
    if omit_empty:
        return [{"value": value, "key": key} for key, value in pairs if value or value == 0]
    return [{"value": value if value or value == 0 else None, "key": key} for key, value in pairs]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    outbound = message["type"] == "outbound"
    return {
        key: message[key]
        for key in MESSAGE
        if key not in GENERATED or (outbound and message[key] is not None and message[key] != "")
    }


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "replace")


_SAMPLE: Mapping[str, Any] = {
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
    "messages": [
        {
            "angle": "Autogrow",
            "framework": "Problem, Solution, Proof, CTA",
            "test": "a",
            "body": "Full body of the first threaded message.",
            "tone": "Informal",
            "from": {"name": "LeadEngineUser", "address": "user@leadengine.ai"},
            "campaign_step": 1,
            "word_limit": 225,
            "type": "outbound",
            "subject": "First message subject",
            "to": {"name": "Elon Musk", "address": "user@leadengine.ai"},
            "date": "2025-05-06T08:58:10Z",
        },
        {
            "body": "Full body of the message response",
            "from": {"address": "elon@x.com", "name": "Elon Musk"},
            "type": "inbound",
            "subject": "Re: First message subject",
            "to": {"address": "user@leadengine.ai", "name": "LeadEngineUser"},
            "date": "2025-05-06T08:59:17Z",
        },
        {
            "body": "Autoreply message body",
            "to": {"name": "Elon Musk", "address": "elon@x.com"},
            "date": "2025-05-06T08:59:22Z",
        },
    ],
    "previous_lead_status": "Conversation",
}

DIALECT = Dialect(
    name="leadengine",
    label="LeadEngine",
    description="Each change of lead status, with all fields and messages of the lead as JSON.",
    events=(TRIGGER,),
    hears=hears,
    render=render,
    sign=sign,
    verify=verify,
    judge=judge,
    retry=RetryPolicy(waits=(174.0, 348.0, 696.0, 1392.0, 2784.0)),  # LE-A2: 89.9 minutes
    deadline=15.0,
    new_secret=new_secret,
    sample=sample,
    summary=summary,
    settings=(OMIT_EMPTY,),
    secret="optional",
    secret_headers=(SECRET,),
    event_labels={TRIGGER: "Lead Status Updated"},
)
