"""The third step: what came, read and put into our fields by the webhook's mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from leads import setup as setups
from leads.api.parser import read_any
from leads.fields import BY_KEY, FIELDS, Field
from leads.intake import NAMED
from leads.setup import Setup
from leads.validation import read_phone
from webhooks.models import InboundWebhook
from webhooks.wire import mapping
from webhooks.wire.mapping import Fault, Kind, Mapped

_KINDS: Final[Mapping[str, Kind]] = {
    "text": "text",
    "choice": "text",
    "email": "email",
    "number": "number",
    "integer": "integer",
    "reference": "integer",
    "boolean": "boolean",
    "datetime": "datetime",
    "texts": "several",
    "labels": "several",
}
_CUSTOM_KINDS: Final[Mapping[str, Kind]] = {
    "text": "text",
    "number": "number",
    "yes_no": "boolean",
    "date": "date",
    "choice": "text",
    "choices": "several",
}


def targets(setup: Setup) -> dict[str, Field]:
    """Every field that a mapping may fill, by key: the catalogue's, names of other records, and the account's own."""
    known = {field.key: field for field in FIELDS if (field.writeable and field.kind != "custom") or field.key in NAMED}
    own = {one.path: Field(one.path, one.label, "text", "Custom") for one in setup.definitions.values()}
    return known | own


def kinds(setup: Setup) -> dict[str, Kind]:
    """What each of them takes."""
    known: dict[str, Kind] = {key: _KINDS.get(field.kind, "any") for key, field in BY_KEY.items()}
    own = {one.path: _CUSTOM_KINDS[one.kind] for one in setup.definitions.values()}
    return known | own


def document_of(body: bytes) -> Any:
    """The object or array that these bytes are. Raises leads.api.errors.Problem 400."""
    return read_any(body)


def translate(inbound: InboundWebhook, document: Any) -> Mapped:
    """The values by field. A mapping that cannot be read is a fault of its own."""
    setup = setups.of(inbound.account_id)
    try:
        rows = inbound.rows
    except ValueError as error:
        return Mapped(faults=[Fault("mapping", "", "mapping", f"of this webhook cannot be read: {error}")])
    if not rows:
        return Mapped(faults=[Fault("mapping", "", "mapping", "of this webhook is empty: map at least one field")])
    return mapping.translate(document, rows, kinds(setup), read_e164)


def is_wanted(inbound: InboundWebhook, document: Any) -> bool:
    """Whether the webhook takes such a document at all ("only when"). No values: it is enough that one is there."""
    if not inbound.only_path:
        return True
    found = mapping.look_up(document, inbound.only_path)
    wanted = {str(value) for value in inbound.only_values}
    if not wanted:
        return any(value not in (None, "") for value in found)
    return any(_text(value) in wanted for value in found if _is_scalar(value))


def _text(value: object) -> str:
    """As JSON has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def read_e164(text: str) -> str | None:
    """A phone as entered to E.164."""
    return read_phone(text)[0]
