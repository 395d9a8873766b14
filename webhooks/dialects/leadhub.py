"""LeadHub: {"event", "occurred_at", "lead"} with 13 lead fields, and an HMAC of the body in X-LeadHub-Signature.

Source: LeadHub's documentation page "Outbound Webhooks", read 2026-11-21. Where it is silent or contradicts itself, the
readings LH-A1 to LH-A20 in docs/leadhub.md decide.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from webhooks.wire import document
from webhooks.wire.dialect import Dialect
from webhooks.wire.event import Event
from webhooks.wire.exchange import Headers
from webhooks.wire.retry import RetryPolicy
from webhooks.wire.signature import new_secret, sign_hmac_sha256, verify_hmac_sha256
from webhooks.wire.summary import Summary, person
from webhooks.wire.verdict import Proof, Verified, judge

EVENTS = (
    "lead.created",
    "lead.updated",
    "lead.deleted",
    "lead.stage_changed",
    "lead.assigned",
    "form.submitted",
)

SIGNATURE = "X-LeadHub-Signature"

STATUSES = {
    "UNREAD": "new",
    "IN_PROGRESS": "contacted",
    "BUSINESS": "qualified",
    "NO_BUSINESS": "lost",
    "DUPLICATE": "lost",
}
"""LeadHub's status of a lead by ours, as long as its stage is an open one (LH-A17)."""

OUTCOMES = {"win": "converted", "loss": "lost"}
"""LeadHub's status of a lead whose stage has this outcome, whatever our status says (LH-A17)."""


def hears(event: Event) -> str | None:
    """The event's own name; that a lead has lost its owner is not told (LH-A6)."""
    if event.type not in EVENTS or (event.type == "lead.assigned" and event.data.get("owner_id") is None):
        return None
    return event.type


def render(event: Event, heard_as: str, settings: Mapping[str, Any]) -> bytes:
    """The envelope, the lead's 13 keys, and beside the lead what only this event has to say (LH-A4, LH-A5).

    Raises ValueError for what JSON or UTF-8 cannot say (NaN, a lone surrogate).
    """
    payload: dict[str, Any] = {
        "event": heard_as,
        "occurred_at": f"{event.occurred_at:%Y-%m-%dT%H:%M:%SZ}",
        "lead": _lead(event.data),
    }
    if heard_as == "form.submitted":
        form = event.context["form"]
        payload["form"] = {"id": form["id"], "name": form["name"], "fields": form["fields"]}
    elif heard_as == "lead.stage_changed":
        # Two pipelines may have stages of one name; a move between them leaves the name out of the changes.
        payload["previous_stage"] = _before(event, "stage_name", event.data.get("stage_name"))
    elif heard_as == "lead.assigned":
        # Two people may share an address; a change between them leaves it out as well.
        unchanged = event.data.get("owner") if "owner_id" in event.changes else None
        payload["previous_assigned_to"] = _before(event, "owner", unchanged)
    return document.write(payload)


def sign(body: bytes, secrets: Sequence[str], settings: Mapping[str, Any], https: bool) -> Headers:
    """X-LeadHub-Signature by the current secret; without a secret there is no such header (LH-A8, LH-A9).

    A receiver compares the whole value with its own, so that a next secret waits until it is the current one (LP-A35).
    """
    return ((SIGNATURE, sign_hmac_sha256(body, secrets[0])),) if secrets else ()


def verify(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> Verified:
    """Check the signature as the page's own receiver does, in constant time (LH-39)."""
    given = next((value for name, value in headers.items() if name.lower() == SIGNATURE.lower()), None)
    if not given:
        return Verified(Proof.UNSIGNED, f"There is no {SIGNATURE} header.")
    if not secrets:
        return Verified(Proof.WRONG, "There is a signature, but no secret to check it with.")
    if not verify_hmac_sha256(body, given, secrets):
        return Verified(Proof.WRONG, f"{SIGNATURE} is not sha256= and the HMAC of this body by this webhook's secret.")
    return Verified(Proof.VERIFIED, f"{SIGNATURE} fits the body and the secret.", body, True)


def sample(settings: Mapping[str, Any]) -> bytes:
    """LeadHub's own example; addresses of ours stand where its page shows none (LH-A7)."""
    return document.write(_SAMPLE)


def summary(body: bytes) -> Summary:
    received = document.read(body)
    event = received.get("event")
    return Summary(event if isinstance(event, str) else "", person(received.get("lead")))


def _lead(data: Mapping[str, Any]) -> dict[str, Any]:
    created_at = data.get("created_at")
    return {
        "id": data.get("id"),
        "first_name": data.get("first_name"),
        "last_name": data.get("last_name"),
        "email": data.get("email"),
        "phone": data.get("phone"),
        "source": data.get("source"),
        "status": OUTCOMES.get(data.get("stage_outcome") or "") or STATUSES.get(data.get("status") or "", "new"),
        "lead_score": data.get("score") or 0,
        "pipeline": data.get("pipeline"),
        "stage": data.get("stage_name"),
        "assigned_to": data.get("owner"),
        "tags": data.get("tags") or [],
        "created_at": f"{created_at[:19]}Z" if created_at else None,  # ours has milliseconds (LH-52)
    }


def _before(event: Event, key: str, unchanged: str | None) -> str | None:
    before: str | None = event.changes[key][0] if key in event.changes else unchanged
    return before


_SAMPLE: Mapping[str, Any] = {
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
}

DIALECT = Dialect(
    name="leadhub",
    label="LeadHub",
    description="13 lead fields as JSON under the event's name, signed in X-LeadHub-Signature when a secret is set.",
    events=EVENTS,
    hears=hears,
    render=render,
    sign=sign,
    verify=verify,
    judge=judge,
    retry=RetryPolicy(waits=(60.0, 120.0, 240.0)),  # LH-A1, LH-A3
    deadline=15.0,
    new_secret=new_secret,
    sample=sample,
    summary=summary,
    secret="optional",
)
