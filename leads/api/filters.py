"""Filters of lists, each a parameter of the query that may be given once; those of leads in whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q
from django.http import QueryDict

from leads.api.errors import Fault, Problem
from leads.api.view import id_of
from leads.fields import BY_KEY
from leads.identity import folded, text_key
from leads.models.lead import labels_field
from leads.validation import judge_value, read_moment, read_phone

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


Filters = Mapping[str, Callable[[str], Q]]


class _Refused(ValueError):
    """Says, as a clause that follows the parameter's name, what its value must be."""


def one_of(key: str, codes: Collection[str]) -> Callable[[str], Q]:
    def condition(value: str) -> Q:
        if value not in codes:
            raise _Refused(f"must be one of {', '.join(codes)}")
        return Q(**{key: value})

    return condition


def _codes(key: str) -> Collection[str]:
    return [code for code, _ in BY_KEY[key].choices]


def by_id(key: str, noun: str) -> Callable[[str], Q]:
    def condition(value: str) -> Q:
        number = id_of(value)
        if number is None:
            raise _Refused(f"must be the id of {noun}")
        return Q(**{key: number})

    return condition


def _email(key: str) -> Callable[[str], Q]:
    return lambda value: Q(**{f"{key}_key": text_key(value)})


def _label(key: str) -> Callable[[str], Q]:
    """Leads that have the label of this name."""
    relation = labels_field(key)
    between: Any = relation.remote_field.through
    lead, key = relation.m2m_field_name(), f"{relation.m2m_reverse_field_name()}__key"
    return lambda value: Q(Exists(between.objects.filter(**{lead: OuterRef("pk"), key: folded(value)})))


_WHOLE_NUMBER = re.compile("-?[0-9]{1,10}")


def _score(look_up: str) -> Callable[[str], Q]:
    def condition(value: str) -> Q:
        number = int(value) if _WHOLE_NUMBER.fullmatch(value) else None
        if (violation := judge_value(BY_KEY["score"], number)) is not None:
            raise _Refused(violation.message)
        return Q(**{look_up: number})

    return condition


def _phone(value: str) -> Q:
    """As entered, or the same number written otherwise. A + that was not escaped arrives as a space."""
    e164, _ = read_phone(f"+{value[1:]}" if value.startswith(" ") else value)
    return Q(phone=value) if e164 is None else Q(phone=value) | Q(phone_e164=e164)


def truth(key: str) -> Callable[[str], Q]:
    def condition(value: str) -> Q:
        if value not in ("true", "false"):
            raise _Refused("must be true or false")
        return Q(**{key: value == "true"})

    return condition


def moment(look_up: str) -> Callable[[str], Q]:
    def condition(value: str) -> Q:
        try:
            return Q(**{look_up: read_moment(value)})
        except ValueError:
            words = "must be an ISO 8601 date, or date and time, such as 2026-11-21T09:00:00Z"
            raise _Refused(words) from None

    return condition


FILTERS: Final[Filters] = {
    "type": one_of("type", _codes("type")),
    "status": one_of("status", _codes("status")),
    "stage": one_of("stage", _codes("stage")),
    "pipeline_id": by_id("pipeline_id", "a pipeline"),
    "pipeline_stage_id": by_id("pipeline_stage_id", "a stage of a pipeline"),
    "lead_status": one_of("lead_status", _codes("lead_status")),
    "source": lambda value: Q(source=value),
    "office_id": by_id("office_id", "an office"),
    "owner_id": by_id("owner_id", "a user"),
    "company_id": by_id("company_id", "a company"),
    "tag": _label("tags"),
    "list": _label("lists"),
    "campaign": _label("campaigns"),
    "score_min": _score("score__gte"),
    "score_max": _score("score__lte"),
    "email": _email("email"),
    "business_email": _email("business_email"),
    "phone": _phone,
    "callable": truth("callable"),
    # Together they tile time: what was created at the very moment is in one of two ranges, never in both.
    "created_after": moment("created_at__gte"),
    "created_before": moment("created_at__lt"),
}


def condition(query: QueryDict, filters: Filters = FILTERS) -> Q:
    """What the query asks for. Raises Problem 400, naming every parameter that has a bad value."""
    asked, faults = Q(), []
    for name in filters:
        value = query.get(name)
        if value is None:
            continue
        try:
            if not value or _CONTROL.search(value):
                raise _Refused("must not be empty or hold control characters")
            asked &= filters[name](value)
        except _Refused as refused:
            faults.append(Fault(name, "filter", str(refused)))
    if faults:
        raise Problem(400, faults=faults)
    return asked
