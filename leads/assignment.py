"""Who gets a lead: a person, the people of an office in turn, or whoever of them has the fewest open leads.

For new leads that come in (leads/intake.py), and for rules. People on leave today are passed over, unless all are.
"""

from __future__ import annotations

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from leads.models import Leave, User
from leads.models.intake_policy import IN_TURN, LEAST_LOADED
from leads.models.leave import covering
from leads.models.pipeline import Stage
from leads.models.turn import Turn
from leads.scope import Scope

OPEN_OUTCOME = "open"


def owner_of(account_id: int, assign: str, person_id: int | None, office_id: int | None) -> int | None:
    """The person for a new lead, by one of ASSIGNMENTS; None where there is nobody. Within a transaction.

    office_id   of the lead: among its people; None: among all of the account
    """
    if assign not in (IN_TURN, LEAST_LOADED):
        if person_id is None:
            return None
        # Who has left gets no more leads.
        everybody = Scope(account_id, None).choosable_owners(account_id)
        return person_id if everybody.filter(pk=person_id).exists() else None
    people = candidates(account_id, office_id)
    if assign == LEAST_LOADED:
        person = least_loaded(people, account_id)
    else:
        turn = Turn.locked(account_id, office_id)
        person = next_of(people, turn.last)
        if person is not None:
            turn.last = person.pk
            turn.save(update_fields=["last"])
    return None if person is None else person.pk


def candidates(account_id: int, office_id: int | None = None) -> QuerySet[User]:
    """Who may get leads of the account, or of its office: active, and not on leave today unless all of them are."""
    people = Scope(account_id, None).choosable_owners(account_id)
    if office_id is not None:
        people = people.filter(membership__offices=office_id)
    today = timezone.localdate()
    away = Leave.objects.filter(covering(today, today), user=OuterRef("pk"))
    here = people.exclude(Exists(away))
    return here if here.exists() else people


def next_of(people: QuerySet[User], last: int) -> User | None:
    """The first one behind whose turn it was, by their ids; who joins or leaves meanwhile does not matter."""
    return people.filter(pk__gt=last).order_by("pk").first() or people.order_by("pk").first()


def least_loaded(people: QuerySet[User], account_id: int, but: int | None = None) -> User | None:
    """Who has the fewest open leads, `but` not counted; of several the one of the lowest id."""
    stages = Stage.objects.filter(pipeline__account_id=account_id, outcome=OPEN_OUTCOME)
    is_open = Q(leads__pipeline_stage__in=stages, leads__merged_into__isnull=True)
    if but is not None:
        is_open &= ~Q(leads__pk=but)
    return (
        people.annotate(open_leads=Count("leads", filter=is_open, distinct=True)).order_by("open_leads", "pk").first()
    )
