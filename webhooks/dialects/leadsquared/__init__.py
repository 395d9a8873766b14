"""LeadSquared: records as flat objects of texts, before and after a change; the URL says who posted it and why.

Source: LeadSquared's help article "Webhooks", read 2026-11-21, and what its API pages make public. Where they are
silent or contradict each other, the readings in docs/leadsquared.md decide: LS-A1 to LS-A28, and LS-B for the bodies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from webhooks.dialects.leadsquared import bodies
from webhooks.dialects.leadsquared.codes import CODES, GROUPED, LABELS
from webhooks.wire import document, verdict
from webhooks.wire.dialect import Dialect, Setting
from webhooks.wire.event import Event
from webhooks.wire.exchange import Failure, Headers, Request, Response
from webhooks.wire.policy import PausePolicy
from webhooks.wire.retry import RetryPolicy
from webhooks.wire.signature import new_secret, standard_proof
from webhooks.wire.summary import Summary, person
from webhooks.wire.verdict import Verdict

JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"

CONTENT_TYPE = Setting(
    name="content_type",
    label="Content type",
    help="Plain text is the same JSON. In a form every key of the JSON is a field of its own.",
    default=JSON,
    choices=((JSON, JSON), (FORM, FORM), (TEXT, TEXT)),
    of_http=True,
)


def hears(event: Event) -> str | None:
    """By its code; that a new lead has an owner is no change of ownership. A lead's first version is its creation."""
    if event.type == "lead.assigned" and event.version == 1:
        return None
    return CODES.get(event.type)


def render(event: Event, heard_as: str, settings: Mapping[str, Any]) -> bytes:
    """What came to be flat; a change as Before and After; a deletion as a Before that has no After (LS-B2).

    Activities are arrays, of one where it is alone. Raises ValueError for what UTF-8 cannot say (a lone surrogate).
    """
    if heard_as in GROUPED:
        return render_many([event], settings)
    now = bodies.record(event)
    if event.type.endswith(".deleted"):
        return _written({"Before": now, "After": None}, settings)
    if heard_as in _FLAT:
        return _written(now | _beside(event), settings)
    return _written({"Before": bodies.before(event), "After": now}, settings)


def render_many(events: Sequence[Event], settings: Mapping[str, Any]) -> bytes:
    """Activities that are posted together, as a JSON array; as a form it is its field `data` (LS-A4)."""
    array = document.write([bodies.element(event) for event in events])
    return urlencode({"data": array}).encode() if settings.get("content_type", JSON) == FORM else array


# What came to be, and what happened without a change.
_FLAT = frozenset(
    {"Landing_Page_submission", "Lead_Merge", "Task_Reminder"}.union(
        code for type_, code in CODES.items() if type_.endswith(".created")
    )
)


def _beside(event: Event) -> dict[str, Any]:
    """What belongs to the event and not to the record."""
    if event.type == "form.submitted":
        form = event.context["form"]
        answers = {label: bodies.text(answer) for label, answer in form["fields"].items()}
        return {"LandingPageId": bodies.text(form["id"]), "LandingPageName": form["name"], "LandingPageFields": answers}
    if event.type == "lead.merged":
        merge = event.context["merge"]
        parts = {"MasterId": event.record_id, "ChildId": merge["children"], "MergeAuditId": merge["id"]}
        return {key: bodies.text(value) for key, value in parts.items()}
    return {}


def sign(body: bytes, secrets: Sequence[str], settings: Mapping[str, Any], https: bool) -> Headers:
    """LeadSquared signs nothing: receivers know the sender by custom headers, or by webhook-signature."""
    return ()


def address(url: str, posted_by: str, posted_by_id: str, event: str) -> str:
    """The URL with LeadSquared's three parameters behind whatever query it has (LS-A6); never a fragment.

    Nothing that stands there is changed: of a name that is there already, ours comes last.
    """
    base, _, query = url.partition("#")[0].partition("?")
    if "://" in base and "/" not in base.partition("://")[2]:
        base += "/"
    named = {"entityType": posted_by, "entityId": posted_by_id, "eventType": event}
    ours = urlencode(named, quote_via=quote, safe="")
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


def sample_many(heard_as: str, settings: Mapping[str, Any]) -> bytes:
    """One activity, as an array."""
    type_ = next(type_ for type_, code in CODES.items() if code == heard_as)
    record = "company_activity" if type_.startswith("account_") else "activity"
    data = {**_SAMPLE_ACTIVITY, "cancelled_at": _SAMPLE_TIME if type_.endswith(".cancelled") else None}
    event = Event(type_, datetime.fromisoformat(_SAMPLE_TIME), record, data["id"], 1, data)
    return render_many([event], settings)


def summary(body: bytes) -> Summary:
    """Which change it was, the URL alone tells; a body of any kind is read."""
    received = _read(body)
    if many := received.get(_ARRAY):
        return Summary("", "1 activity" if len(many) == 1 else f"{len(many):,} activities")
    if "Before" in received:
        before, after = received["Before"], received.get("After")
        told = after or before
        gone = not after and isinstance(before, Mapping) and "ProspectID" in before
        return Summary("Lead_Delete" if gone else "", _subject(told))
    if "ProspectID" not in received:
        return Summary("", _subject(received))
    marks = {"MergeAuditId": "Lead_Merge", "LandingPageId": "Landing_Page_submission"}
    event = next((code for key, code in marks.items() if key in received), "Lead_Post_Create")
    return Summary(event, _subject(received))


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
    """What _written or render_many made it of, with '' where a form has null; an array under _ARRAY.

    Empty for anything else; never raises.
    """
    if body[:1] in (b"{", b"["):
        return document.read(body) if body[:1] == b"{" else {_ARRAY: _array(body)}
    try:
        pairs = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_PAIRS))
    except ValueError:
        return {}
    if list(pairs) == [_ARRAY]:
        return {_ARRAY: _array(pairs[_ARRAY].encode(errors="replace"))}
    nested = {key: document.read(pairs[key].encode(errors="replace")) for key in ("Before", "After") if key in pairs}
    return pairs | nested


def _array(body: bytes) -> Sequence[Any]:
    wrapped = document.read(b'{"data":' + body + b"}").get("data")
    return wrapped if isinstance(wrapped, list) else []


_ARRAY = "data"
_MOST_PAIRS = 10_000


def _subject(told: Any) -> str:
    """Whom or what a record is about; its first key says what it is."""
    key = next(iter(told), None) if isinstance(told, Mapping) else None
    if key in _NAMED_BY:
        name = told.get(_NAMED_BY[key])
        return name if isinstance(name, str) else ""
    if key not in ("ProspectID", "UserId"):
        return ""
    names = {"first_name": "FirstName", "last_name": "LastName", "email": "EmailAddress", "phone": "Phone"}
    return person({ours: told.get(theirs) for ours, theirs in names.items()})


_NAMED_BY: Mapping[Any, str] = {
    "CompanyId": "CompanyName",
    "OpportunityId": "OpportunityName",
    "ProductId": "Name",
    "UserTaskId": "Name",
    "LeaveId": "UserName",
}

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

_SAMPLE_TIME = "2026-11-21T09:14:05Z"
_SAMPLE_ACTIVITY: Mapping[str, Any] = {
    "id": 5120,
    "lead_id": 1842,
    "company_id": 77,
    "company_name": "Smith & Sons",
    "type": "Outbound phone call",
    "type_code": 22,
    "type_kind": "lead",
    "created_by_id": 3,
    "created_by_name": "Dana Moss",
    "created_at": _SAMPLE_TIME,
    "modified_at": _SAMPLE_TIME,
    "happened_at": _SAMPLE_TIME,
    "score": 0,
    "status": "Answered",
    "owner_id": 3,
    "owner_name": "Dana Moss",
    "owner": "dana.moss@example.com",
    "note": "Asked for a visit on Friday.",
}

DIALECT = Dialect(
    name="leadsquared",
    label="LeadSquared",
    description="One event per webhook, as a flat object of texts; the URL names event and sender.",
    events=tuple(LABELS),
    hears=hears,
    render=render,
    sign=sign,
    verify=standard_proof,
    judge=judge,
    pause=PausePolicy(seconds=3600.0, failures=10, of="deliveries", probe_every=600.0),  # LS-A26
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
    lapps=True,  # LS-15
    one_event=True,  # LS-95
    most_headers=10,  # LS-A21
    last_header_wins=True,  # LS-A22
    delays=True,  # LS-A11
    grouped=GROUPED,  # LS-A12
    render_many=render_many,
    sample_many=sample_many,
    history="account",  # LS-A19
    handshake=True,  # its best practices (LS-4)
)
