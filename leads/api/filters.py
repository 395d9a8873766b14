"""The filters of the list of leads, each a parameter of the query that may be given once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from django.db.models import Q
from django.http import QueryDict

from leads.api.errors import Fault, Problem
from leads.api.view import id_of
from leads.fields import BY_KEY
from leads.validation import is_iso_date, read_phone

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class _Refused(ValueError):
    """Says, as a clause that follows the parameter's name, what its value must be."""


def _one_of(key: str) -> Callable[[str], Q]:
    codes = [code for code, _ in BY_KEY[key].choices]

    def condition(value: str) -> Q:
        if value not in codes:
            raise _Refused(f"must be one of {', '.join(codes)}")
        return Q(**{key: value})

    return condition


def _office(value: str) -> Q:
    number = id_of(value)
    if number is None:
        raise _Refused("must be the id of an office")
    return Q(office_id=number)


def _phone(value: str) -> Q:
    """As entered, or the same number written otherwise. A + that was not escaped arrives as a space."""
    e164, _ = read_phone(f"+{value[1:]}" if value.startswith(" ") else value)
    return Q(phone=value) if e164 is None else Q(phone=value) | Q(phone_e164=e164)


def _boolean(value: str) -> Q:
    if value not in ("true", "false"):
        raise _Refused("must be true or false")
    return Q(callable=value == "true")


def _moment(look_up: str) -> Callable[[str], Q]:
    def condition(value: str) -> Q:
        if not is_iso_date(value):
            raise _Refused("must be an ISO 8601 date, or date and time, such as 2026-11-21T09:00:00Z")
        moment = datetime.fromisoformat(value)
        return Q(**{look_up: moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)})

    return condition


FILTERS: Final[Mapping[str, Callable[[str], Q]]] = {
    "type": _one_of("type"),
    "status": _one_of("status"),
    "stage": _one_of("stage"),
    "source": lambda value: Q(source=value),
    "office_id": _office,
    "email": lambda value: Q(email__iexact=value),
    "phone": _phone,
    "callable": _boolean,
    # Together they tile time: what was created at the very moment is in one of two ranges, never in both.
    "created_after": _moment("created_at__gte"),
    "created_before": _moment("created_at__lt"),
}


def condition(query: QueryDict) -> Q:
    """What the query asks for. Raises Problem 400, naming every parameter that has a bad value."""
    asked, faults = Q(), []
    for name in FILTERS:
        value = query.get(name)
        if value is None:
            continue
        try:
            if not value or _CONTROL.search(value):
                raise _Refused("must not be empty or hold control characters")
            asked &= FILTERS[name](value)
        except _Refused as refused:
            faults.append(Fault(name, "filter", str(refused)))
    if faults:
        raise Problem(400, faults=faults)
    return asked
