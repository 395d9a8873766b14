"""Messages of a lead: /api/v1/leads/{id}/messages and .../{id}, in LeadEngine's names, oldest first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from leads.api.errors import Fault
from leads.api.leads import find
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One, Resource
from leads.api.shape import key_of, lay_over
from leads.api.view import unknown_keys
from leads.identity import folded
from leads.models import Campaign, Lead, Message
from leads.models.apikey import Scope as KeyScope
from leads.models.message import GENERATION

_SCOPES = (KeyScope.LEADS_READ, KeyScope.LEADS_WRITE)
_SIDES = ("from", "to")
_PARTS = ("name", "address")


class MessageResource(Resource):
    """The counters and dates of the lead follow the messages that are added: so a message keeps its type."""

    model = Message
    keys = (
        key_of(Message, "type", fixed=True),
        key_of(Message, "subject", trimmed=False),
        key_of(Message, "body", trimmed=False),
        *(key_of(Message, f"{side}_{part}", f"{side}.{part}") for side in _SIDES for part in _PARTS),
        key_of(Message, "date"),
        *(key_of(Message, name) for name in GENERATION),
    )
    order = ("date", "id")
    oldest_first = True

    @cached_property
    def lead(self) -> Lead:
        return find(self, self.kwargs["lead_pk"])

    def records(self) -> QuerySet[Any]:
        return Message.objects.filter(lead=self.lead).select_related("campaign")

    def new(self) -> Message:
        return Message(lead=self.lead)

    def faults(self, message: Message, sent: Mapping[str, Any]) -> list[Fault]:
        known = {"id", "campaign", *_SIDES, *(key.field.wire for key in self.keys if "." not in key.field.wire)}
        flat = {key: sent[key] for key in sent if key in known - {"campaign", *_SIDES}}
        faults = unknown_keys(sent, known, "a message")
        for side in _SIDES:
            given = sent.get(side, {})
            if given is None:
                given = dict.fromkeys(_PARTS)
            if isinstance(given, dict):
                flat |= {f"{side}.{part}": value for part, value in given.items()}
            else:
                faults.append(Fault(side, "object", "must be an object with name and address"))
        faults += lay_over(message, self.keys, flat, "a message")
        if "campaign" in sent:
            faults += self._campaign(message, sent["campaign"])
        return faults

    def _campaign(self, message: Message, name: Any) -> list[Fault]:
        campaign = None
        if name is not None:
            campaigns = Campaign.objects.filter(account_id=self.lead.account_id)
            campaign = campaigns.filter(key=folded(name)).first() if isinstance(name, str) else None
            if campaign is None:
                return [Fault("campaign", "reference", "must be the name of a campaign of the account")]
        message.campaign = campaign
        return []

    def wire(self, message: Message) -> dict[str, Any]:
        return message.told()


class Messages(MessageResource, Many):
    needs = needs("message", *_SCOPES, MANY)


class OneMessage(MessageResource, One):
    needs = needs("message", *_SCOPES, ONE)
