"""The third step: what came, read and put into our fields by the webhook's mapping."""

from __future__ import annotations

from typing import Any

from leads import setup as setups
from leads.api.parser import read_any
from leads.targets import kinds, targets
from leads.validation import read_phone
from webhooks.models import InboundWebhook
from webhooks.wire import mapping
from webhooks.wire.mapping import Fault, Mapped

__all__ = ["document_of", "is_wanted", "kinds", "targets", "translate"]


def document_of(body: bytes) -> Any:
    """The object or array that these bytes are. Raises leads.api.errors.Problem 400."""
    return read_any(body)


def translate(inbound: InboundWebhook, document: Any) -> Mapped:
    """The values by field. A mapping that cannot be read is a fault of its own."""
    # Whoever takes posts has read the token with the webhook.
    setup = setups.of(inbound.account_id, token=getattr(inbound, "setup_token", None))
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
