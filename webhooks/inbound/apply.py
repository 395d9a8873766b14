"""The last step: the values become a lead, and the receipt says so in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leads import intake
from leads.intake import Taken
from leads.scope import Scope
from webhooks.models import InboundWebhook, Receipt, ReceiptStatus


class Quicker(Exception):
    """Somebody else has done with the receipt meanwhile."""


def apply(inbound: InboundWebhook, receipt: Receipt, values: Mapping[str, Any], scope: Scope) -> Taken:
    """Raises intake.Refused, Quicker, and whatever the database raises: nothing is stored then."""

    def note(taken: Taken) -> None:
        if not receipt.settled(
            status=ReceiptStatus.APPLIED, answered=200, action=taken.action, lead_id=taken.lead.pk, faults=[]
        ):
            raise Quicker

    return intake.take(inbound.account_id, values, inbound.policy, scope, note)
