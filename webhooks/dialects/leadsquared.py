"""LeadSquared: the lead as a flat object of texts, before and after a change; the URL says who posted it and why.

Source: LeadSquared's help article "Webhooks", read 2026-11-21, and what its API pages make public. Where they are
silent or contradict each other, the readings in docs/leadsquared.md decide: LS-A1 to LS-A28, and LS-B for the bodies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from webhooks.wire import document, verdict
from webhooks.wire.dialect import Dialect, Setting
from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, Headers, Request, Response
from webhooks.wire.policy import PausePolicy
from webhooks.wire.retry import RetryPolicy
from webhooks.wire.signature import new_secret, standard_proof
from webhooks.wire.summary import Summary, person
from webhooks.wire.verdict import Verdict

LABELS = {
    "Landing_Page_submission": "Landing Page Submission",
    "Lead_Post_Create": "Lead Creation",
    "Lead_Delete": "Lead Delete",
    "Lead_Field_Change": "Lead Field Value Change",
    "Lead_Owner_Change": "Lead Ownership Change",
    "Lead_Score_Change": "Lead Score Change",
    "Lead_Post_Stage_Change": "Lead Stage Change",
    "Lead_Post_Update": "Lead Update",
}
"""LeadSquared's code of an event and its name, as printed (LS-A17), in the order of its list."""

CODES = {
    "form.submitted": "Landing_Page_submission",
    "lead.created": "Lead_Post_Create",
    "lead.deleted": "Lead_Delete",
    "lead.field_changed": "Lead_Field_Change",
    "lead.assigned": "Lead_Owner_Change",
    "lead.score_changed": "Lead_Score_Change",
    "lead.stage_changed": "Lead_Post_Stage_Change",
    "lead.updated": "Lead_Post_Update",
}

NAMES = {
    "ProspectID": "id",
    "ProspectAutoId": "id",
    "FirstName": "first_name",
    "LastName": "last_name",
    "EmailAddress": "email",
    "Phone": "phone",
    "Mobile": "mobile_phone",
    "Company": "company_name",
    "JobTitle": "job_title",
    "Source": "source",
    "ProspectStage": "stage_name",
    "Score": "score",
    "OwnerId": "owner_id",
    "OwnerIdEmailAddress": "owner",
    "CreatedOn": "created_at",
    "ModifiedOn": "modified_date",
    "LastModifiedOn": "modified_date",
    "LeadLastModifiedOn": "modified_date",
}
"""Its key and ours, of what both know of a lead (LS-B1). The account's own fields follow, as CUSTOM and their key."""

CUSTOM = "mx_"
MOMENTS = frozenset({"created_at", "modified_date"})

JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"

CONTENT_TYPE = Setting(
    name="content_type",
    label="Content type",
    help="Plain text is the same JSON. In a form every key of the JSON is a field of its own.",
    default=JSON,
    choices=((JSON, JSON), (FORM, FORM), (TEXT, TEXT)),
)


def hears(event: Event) -> str | None:
    """By its code; that a new lead has an owner is no change of ownership. A lead's first version is its creation."""
    if event.type == "lead.assigned" and event.version == 1:
        return None
    return CODES.get(event.type)


def render(event: Event, heard_as: str, settings: Mapping[str, Any]) -> bytes:
    """A new lead flat; a change as Before and After; a deletion as a Before that has no After (LS-B2).

    Raises ValueError for what UTF-8 cannot say (a lone surrogate).
    """
    lead = _lead(event.data)
    if heard_as == "Lead_Post_Create":
        return _written(lead, settings)
    if heard_as == "Landing_Page_submission":
        form = event.context["form"]
        answers = {label: _text(answer) for label, answer in form["fields"].items()}
        page = {"LandingPageId": _text(form["id"]), "LandingPageName": form["name"], "LandingPageFields": answers}
        return _written(lead | page, settings)
    if heard_as == "Lead_Delete":
        return _written({"Before": lead, "After": None}, settings)
    return _written({"Before": _lead(_before(event)), "After": lead}, settings)


def sign(body: bytes, secrets: Sequence[str], settings: Mapping[str, Any], https: bool) -> Headers:
    """LeadSquared signs nothing: receivers know the sender by custom headers, or by webhook-signature."""
    return ()


def address(url: str, webhook_id: str, event: str) -> str:
    """The URL with LeadSquared's three parameters behind whatever query it has (LS-A6); never a fragment.

    Nothing that stands there is changed: of a name that is there already, ours comes last.
    """
    base, _, query = url.partition("#")[0].partition("?")
    if "/" not in base.partition("://")[2]:
        base += "/"
    ours = urlencode({"entityType": "webhook", "entityId": webhook_id, "eventType": event}, quote_via=quote, safe="")
    joint = "&" if query and not query.endswith("&") else ""
    return f"{base}?{query}{joint}{ours}"


def content_type(body: bytes, settings: Mapping[str, Any]) -> str:
    """The webhook's, unless the body was stored under another one: then what it is."""
    chosen: str = settings.get("content_type", JSON)
    is_json = body[:1] in (b"{", b"[")
    if is_json == (chosen != FORM):
        return chosen
    return JSON if is_json else FORM


def judge(answer: Response | Failure, request: Request, now: datetime) -> Verdict:
    """200 alone is success; all else, other 2xx included, is tried again (LS-A2)."""
    result = verdict.judge(answer, request, now)
    if isinstance(answer, Failure) or not result.success or answer.status == 200:
        return result
    why = f"{verdict.explain(answer)}. LeadSquared takes 200 alone for success."
    return replace(result, success=False, retry=True, reason=why)


def sample(settings: Mapping[str, Any]) -> bytes:
    """A Lead Creation: the one body whose keys LeadSquared itself has published (LS-B5)."""
    return _written(_SAMPLE, settings)


def summary(body: bytes) -> Summary:
    """Which change it was, the URL alone tells; a body of either kind is read."""
    received = _read(body)
    if "Before" in received:
        before, after = received["Before"], received.get("After")
        return Summary("", _person(after)) if after else Summary("Lead_Delete", _person(before))
    if "ProspectID" not in received:
        return Summary("", "")
    event = "Landing_Page_submission" if "LandingPageId" in received else "Lead_Post_Create"
    return Summary(event, _person(received))


def _lead(data: Mapping[str, Any]) -> dict[str, Any]:
    lead = {key: _moment(data.get(ours)) if ours in MOMENTS else _text(data.get(ours)) for key, ours in NAMES.items()}
    custom = data.get("custom_fields") or {}
    return lead | {f"{CUSTOM}{key}": _text(value) for key, value in custom.items()}


def _before(event: Event) -> dict[str, Any]:
    """The lead as it was; when it had been modified last is not known (LS-B4)."""
    data, custom = {**event.data, "modified_date": None}, dict(event.data.get("custom_fields") or {})
    for key, (was, _) in event.changes.items():
        group, _, name = key.partition(".")
        if group == "custom_fields":
            custom[name] = was
        else:
            data[key] = was
    return data | {"custom_fields": custom}


def _text(value: Any) -> str | None:
    """A value as text (LS-B3): a number by its digits, yes and no as 1 and 0, several with ; between them."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return ";".join(_text(each) or "" for each in value)
    return str(document.plain(value))


def _moment(value: str | None) -> str | None:
    """ "2026-11-21 09:14:05", in UTC, of "2026-11-21T09:14:05.123Z"."""
    return f"{value[:10]} {value[11:19]}" if value else None


def _written(payload: Mapping[str, Any], settings: Mapping[str, Any]) -> bytes:
    """As JSON, or as the pairs of a form: text as it is, null as nothing, an object as its JSON (LS-A4)."""
    if settings.get("content_type", JSON) != FORM:
        return document.write(payload)
    pairs = {
        key: value if isinstance(value, str) else "" if value is None else document.write(value)
        for key, value in payload.items()
    }
    return urlencode(pairs).encode()


def _read(body: bytes) -> Mapping[str, Any]:
    """What _written made it of, with '' where a form has null. Empty for anything else; never raises."""
    if found := document.read(body):
        return found
    try:
        pairs = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_PAIRS))
    except ValueError:
        return {}
    nested = {key: document.read(pairs[key].encode(errors="replace")) for key in ("Before", "After") if key in pairs}
    return pairs | nested


_MOST_PAIRS = 10_000


def _person(lead: Any) -> str:
    if not isinstance(lead, Mapping):
        return ""
    names = {"first_name": "FirstName", "last_name": "LastName", "email": "EmailAddress", "phone": "Phone"}
    return person({ours: lead.get(theirs) for ours, theirs in names.items()})


_SAMPLE: Mapping[str, Any] = {
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

DIALECT = Dialect(
    name="leadsquared",
    label="LeadSquared",
    description="One event of leads per webhook, as a flat object of texts; the URL names event and sender.",
    events=tuple(LABELS),
    hears=hears,
    render=render,
    sign=sign,
    verify=standard_proof,
    judge=judge,
    pause=PausePolicy(seconds=3600.0, failures=10),  # LS-A26
    retry=RetryPolicy(waits=(60.0, 300.0)),  # LS-A1, LS-A27
    deadline=15.0,  # LS-A27
    new_secret=new_secret,
    sample=sample,
    summary=summary,
    settings=(CONTENT_TYPE,),
    content_type=content_type,
    address=address,
    secret="optional",
    event_labels=LABELS,
    one_event=True,  # LS-95
    most_headers=10,  # LS-A21
    last_header_wins=True,  # LS-A22
)
