"""What a test runs inside each of two real instances: an account for each format, which tells the other instance's."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import Group

from leads.models import Account, ApiKey, Membership, User
from leads.models.apikey import digest
from tests.conformance.leadpro_rows import LARGEST_COMPARABLE, largest
from tests.webhooks.inbound.dialects import READ_BY, Side, door, seen, tell
from webhooks.wire.presets import PRESETS


def set_up(here: str, there: str, url: str) -> None:
    """here and there are the instances' names, url is where the other one is. Run in both before either tells."""
    for dialect in READ_BY:
        side, other = _side(here, dialect), _side(there, dialect)
        for webhook in tell(side, other, dialect, _secret(there, dialect)):
            webhook.url = webhook.url.replace("https://testserver", url)
            webhook.save()
        # Here there is but the one; that of the other side was made to know its addresses.
        other.account.inbound_webhooks.all().delete()


def write() -> None:
    """A lead with every field full for each format, told once; LeadPro's at all its limits."""
    for dialect in READ_BY:
        lead = _known(dialect).lead(**_largest() if dialect == "leadpro" else {})
        if dialect == "leadengine":  # it tells of a change of lead status alone
            lead.set("lead_status", "Opportunity")
            lead.save()


def change() -> None:
    for dialect in READ_BY:
        lead = _known(dialect).only()
        for key, value in {"first_name": "Olive", "lead_status": "Meeting Booked", "score": 99}.items():
            lead.set(key, value)
        lead.save()


def told() -> None:
    """Prints {format: what its account's only lead holds}."""
    print(json.dumps({dialect: seen(_known(dialect).only(), dialect) for dialect in READ_BY}))


def _side(instance: str, dialect: str) -> Side:
    name = f"{dialect} of {instance}"
    side = Side.new(name, dialect, doors=False)
    for preset in READ_BY[dialect]:
        side.doors[preset] = door(side.account, PRESETS[preset], uid=f"{instance}-{preset}")
    maker = User.objects.create_user(f"maker of {name}")
    maker.groups.add(Group.objects.get(name="Manager"))
    Membership.objects.create(user=maker, account=side.account)
    key = ApiKey(account=side.account, user=maker, name="the other instance", scopes=["inbound:write"])
    key.prefix, key.digest = "lck_", digest(_secret(instance, dialect))
    key.save()
    return side


def _known(dialect: str) -> Side:
    """The account of this instance: the one that is told by the other."""
    told = Account.objects.filter(name__startswith=f"{dialect} of ", inbound_webhooks__isnull=False)
    return Side(told.distinct().get())


def _secret(instance: str, dialect: str) -> str:
    return f"lck_{instance}_{dialect}_{'k' * 32}"


def _largest() -> dict[str, Any]:
    return largest() | {"comparable_props": [LARGEST_COMPARABLE | {"address": "x" * 3800}]}
