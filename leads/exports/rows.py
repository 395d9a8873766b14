"""What of a record can be a column of a file: everything that webhooks are told of it, under the same keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS
from django.utils.text import capfirst

from leads import setup as setups
from leads.fields import BY_KEY, FIELDS
from leads.models import Account, Lead
from leads.models.entity import Entity
from leads.models.record import Record
from leads.scope import Scope

# So many records are read together.
TOGETHER: Final = 500
_CUSTOM: Final = "custom_fields."

# Of a lead, where nobody chose: what most files are about.
USUAL: Final = (
    "id",
    "full_name",
    "first_name",
    "last_name",
    "email",
    "business_email",
    "phone",
    "type",
    "status",
    "pipeline",
    "stage_name",
    "lead_status",
    "source",
    "office_name",
    "owner",
    "company_name",
    "address",
    "postcode",
    "tags",
    "lists",
    "created_at",
)


def columns(model: type[Record], scope: Scope) -> dict[str, str]:
    """Key -> label of each column there is."""
    if issubclass(model, Lead):
        known = {"id": "Id"} | {field.key: field.label for field in FIELDS if field.kind != "custom"}
        accounts = scope.accounts().values_list("pk", flat=True) if scope.account_id != 0 else Account.objects.none()
        own = [one for account_id in accounts for one in setups.of(account_id).definitions.values()]
        return known | {one.path: one.label for one in own}
    assert issubclass(model, Entity)
    return {key: _label(key) for key in model.told}


def usual(model: type[Record], scope: Scope) -> list[str]:
    """Those that are chosen to begin with."""
    known = columns(model, scope)
    own = [key for key in known if key.startswith(_CUSTOM)]
    return [*(key for key in USUAL if key in known), *own] if issubclass(model, Lead) else list(known)


def rows(model: type[Record], pks: Sequence[int], keys: Sequence[str]) -> Iterator[list[Any]]:
    """The values of these keys, record by record in the order of the ids; what was deleted meanwhile is left out."""
    for start in range(0, len(pks), TOGETHER):
        some = pks[start : start + TOGETHER]
        found = model.rows(DEFAULT_DB_ALIAS, some)
        for pk in some:
            if pk in found and not model.hidden(found[pk]):
                told = {"id": pk, **model.snapshot(found[pk], {})}
                yield [_value(told, key) for key in keys]


def _value(told: Mapping[str, Any], key: str) -> Any:
    if key.startswith(_CUSTOM):
        return told["custom_fields"].get(key.removeprefix(_CUSTOM))
    return told.get(key)


def _label(key: str) -> str:
    if key in ("phone", "email", "website", "address", "city", "postcode", "country", "industry"):
        return BY_KEY[key].label if key in BY_KEY else capfirst(key)
    return capfirst(key.removesuffix("_id").replace("_", " ") + (" id" if key.endswith("_id") else ""))
