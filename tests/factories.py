"""Records as tests want them: valid, plain, and changed by keyword."""

from __future__ import annotations

from typing import Any

from leads.models import Account, Lead, Office, Stage
from webhooks.dialects import DIALECTS
from webhooks.models import Webhook

VENDOR: dict[str, Any] = {
    "type": "vendor",
    "first_name": "Olivia",
    "last_name": "Hartley",
    "email": "olivia.hartley@example.com",
    "phone": "07123456789",
    "address": "51 Asimov Place, Starbridge",
    "postcode": "N1 3JY",
}


def account(name: str = "Northgate Homes") -> Account:
    return Account.objects.get_or_create(name=name)[0]


def office(name: str = "Leeds Central", **values: Any) -> Office:
    return Office.objects.get_or_create(name=name, account=values.pop("account", None) or account(), **values)[0]


def new_lead(**values: Any) -> Lead:
    """A vendor of the first account, not stored yet."""
    lead = Lead(account=values.pop("account", None) or account())
    for key, value in (VENDOR | values).items():
        if key == "office":
            lead.office = value
        else:
            lead.set(key, value)
    return lead


def lead(**values: Any) -> Lead:
    lead = new_lead(**values)
    lead.save()
    return lead


def stage(code: str, **values: Any) -> Stage:
    """The first stage of the account's default pipeline with this code."""
    stages = Stage.objects.filter(pipeline__account=values.pop("account", None) or account(), pipeline__is_default=True)
    found = stages.filter(code=code).first()
    assert found is not None
    return found


def webhook(url: str = "http://127.0.0.1:9/hook", **values: Any) -> Webhook:
    """An enabled LeadPro webhook of the first account that hears every event of its system."""
    dialect = values.setdefault("dialect", "leadpro")
    offices = values.pop("offices", ())
    values.setdefault("account", account())
    made = Webhook.objects.create(
        **{"name": "LeadPro production", "url": url, "events": list(DIALECTS[dialect].events), "secret": "s" * 43}
        | values
    )
    made.offices.set(offices)
    return made
