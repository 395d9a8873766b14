"""save_lead (Tomba): {"data"} with 11 lead fields, whenever a lead is saved.

Source: Tomba's documentation page "Webhooks", read 2026-11-21. Where it is silent or contradicts itself, the readings
SL-A1 to SL-A14 in docs/save_lead.md decide.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from webhooks.wire import document
from webhooks.wire.dialect import Dialect, Setting
from webhooks.wire.event import Event
from webhooks.wire.exchange import Headers
from webhooks.wire.retry import RetryPolicy
from webhooks.wire.signature import new_secret, standard_proof
from webhooks.wire.summary import Summary, person
from webhooks.wire.verdict import judge

EVENT = "save_lead"

NAMES = {
    "email": "email",
    "company": "company_name",
    "first_name": "first_name",
    "last_name": "last_name",
    "phone": "phone",
    "website": "website",
    "position": "job_title",
    "twitter": "person_x",
    "linkedin": "person_linkedin",
    "notes": "notes",
    "score": "score",
}
"""Its key, in the order of the page's sample, and ours. Three of the names are lost in the page's table (SL-A1)."""

UNSTARRED = {"email": "", "website": "", "score": 0}
"""What stands for unset where the page's type has no star and null is not allowed (SL-A3, SL-A11)."""

METHOD = Setting(
    name="method",
    label="HTTP method",
    help="POST is usual. The other two are for receivers that insist on them.",
    default="POST",
    choices=(("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")),  # SL-A4: a body is required
)


def hears(event: Event) -> str | None:
    """One event for a new lead and for a changed one; what else happened to it is in no event of its own (SL-A6)."""
    return EVENT if event.type in ("lead.created", "lead.updated") else None


def render(event: Event, heard_as: str, settings: Mapping[str, Any]) -> bytes:
    """The 11 keys and nothing that tells created from updated (SL-A5); unset is null but for the UNSTARRED.

    Raises ValueError for what JSON or UTF-8 cannot say (NaN, a lone surrogate).
    """
    data = {key: event.data.get(ours) for key, ours in NAMES.items()}
    for key, unset in UNSTARRED.items():
        if data[key] is None:
            data[key] = unset
    return document.write({"data": data})


def sign(body: bytes, secrets: Sequence[str], settings: Mapping[str, Any], https: bool) -> Headers:
    """The page knows no signature: receivers know the sender by custom headers, or by webhook-signature (SL-36)."""
    return ()


def sample(settings: Mapping[str, Any]) -> bytes:
    """The page's own payload as it stands (SL-30)."""
    return document.write({"data": {key: UNSTARRED.get(key, "") for key in NAMES}})


def summary(body: bytes) -> Summary:
    """The body names no event, but there is only one."""
    lead = document.read(body).get("data")
    return Summary(EVENT, person(lead)) if isinstance(lead, dict) else Summary("", "")


DIALECT = Dialect(
    name="save_lead",
    label="save_lead (Tomba)",
    description="11 lead fields as JSON whenever a lead is saved. Authenticate by custom headers.",
    events=(EVENT,),
    hears=hears,
    render=render,
    sign=sign,
    verify=standard_proof,
    judge=judge,
    retry=RetryPolicy(waits=(60.0, 300.0)),  # SL-A7
    deadline=10.0,  # SL-A8
    new_secret=new_secret,
    sample=sample,
    summary=summary,
    settings=(METHOD,),
    secret="optional",
    event_labels={EVENT: "Lead saved"},
    unique_name=True,  # SL-A9
)
