"""Which deliveries of the history are meant: its filters as data, for the list, its counts, and replay.

The history has millions of rows, so that how a set is read matters as much as what is in it. A selection reads in
parts: each follows one index, newest first, and what no index answers is asked of the rows on the way. Without
statistics SQLite takes any equality on an indexed column for the best one, hence `_unindexed`; and it uses a partial
index only where the condition is spelled as the index has it, hence `_among`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from django.db.models import BigIntegerField, BooleanField, Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.lookups import Exact

from leads.models import Lead
from leads.scope import Scope
from webhooks import sql
from webhooks.dialects import DIALECTS
from webhooks.models import FINISHED, WAITING, Delivery, Event, Status

# The partial indexes of Delivery by the statuses that they hold. Where Success is meant and no webhook, the account's
# own index serves: most deliveries succeed.
_OF_STATUS: tuple[tuple[str, ...], ...] = (WAITING, (Status.HELD,), (Status.FAILURE,), (Status.CANCELLED,))
_OF_WEBHOOK: tuple[tuple[str, ...], ...] = (WAITING, (Status.HELD,), FINISHED)
_LED_BY_WEBHOOK: tuple[tuple[str, ...], ...] = ((Status.HELD,), FINISHED)
_MESSAGE_ID = re.compile(r"msg_[0-9A-Za-z_-]+")
# A search reads the events of so many leads that carry the words now; the others are found by their events' own labels.
_LEADS = 100
# Systems whose deliveries are listed for who sees the whole account; the others find them at their leads.
_OF_ACCOUNTS = tuple(dialect.name for dialect in DIALECTS.values() if dialect.history == "account")
# A row's id and its created_at are given at nearly the same moment, by several connections at once.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that one index yields in the order of their ids, and what has to be asked of each of them, if anything."""

    rows: QuerySet[Delivery]
    asked: Q

    @property
    def walks(self) -> bool:
        """Whether rows may be read in vain, any number of them."""
        return bool(self.asked)

    def all(self) -> QuerySet[Delivery]:
        return self.rows.filter(self.asked) if self.asked else self.rows


@dataclass(frozen=True, slots=True)
class Selection:
    """All conditions hold together; what is empty or None is no condition."""

    # Who looks. None: every account; every record of the account.
    account_id: int | None = None
    office_ids: frozenset[int] | None = None
    tests: bool = True
    # What they look for.
    ids: tuple[int, ...] | None = None
    statuses: tuple[str, ...] = ()
    webhook_id: int | None = None
    sent_as: tuple[str, ...] = ()
    # The first and last code.
    codes: tuple[int, int] | None = None
    # How the error begins.
    error: str = ""
    sent_from: datetime | None = None
    sent_to: datetime | None = None
    lead_id: int | None = None
    # The first of those that are sent together: all of them.
    together: int | None = None
    # In the lead's name or e-mail address, or the error; or a whole webhook-id.
    words: str = ""
    # Replays only, made after this delivery.
    replays_after: int | None = None
    # Nothing that came after this delivery: a question stays the same question.
    through: int | None = None

    @classmethod
    def seen_by(cls, scope: Scope, *, tests: bool) -> Self:
        """Everything that somebody may see; with the tests of webhooks, or without."""
        return cls(account_id=scope.account_id, office_ids=scope.office_ids, tests=tests)

    def narrowed(self, **conditions: Any) -> Self:
        return replace(self, **conditions)

    def deliveries(self) -> QuerySet[Delivery]:
        """The whole set, in no order."""
        parts = self.parts()
        if len(parts) == 1:
            return parts[0].all()
        first, *others = (part.all().order_by().values("pk") for part in parts)
        return Delivery.objects.filter(pk__in=first.union(*others))

    def parts(self) -> list[Part]:
        """The set in parts that may overlap: their order by id is cheap, whatever the table holds."""
        within = self._within()
        return [Part(part.rows.filter(within), part.asked) for part in self._parts()]

    def _parts(self) -> list[Part]:
        words = self.words.strip()
        if self.ids is not None:
            return [self._few(pk__in=self.ids)]
        if _MESSAGE_ID.fullmatch(words):
            return [self._few(found=True, pk__in=Delivery.of_message(words).order_by().values("pk"))]
        if self.lead_id is not None:
            return [self._few(event__in=_events_of([self.lead_id]))]
        if self.together is not None:
            return [self._few(sent_with=self.together)]
        parts = [Part(rows, asked & self._asked()) for rows, asked in self._by_status()]
        leads = self._leads_with(words) if words else []
        if leads:
            parts.append(self._few(found=True, event__in=_events_of(leads)))
        return parts

    def _few(self, found: bool = False, **condition: Any) -> Part:
        """A part that is small by itself: nothing has to be walked."""
        asked = self._asked(found) & self._of_webhook()
        if self.statuses:
            asked &= Q(status__in=self.statuses)
        return Part(self._elsewhere().filter(asked, **condition), Q())

    def _within(self) -> Q:
        """Between which ids the set lies."""
        within = Q()
        if self.through is not None:
            within &= Q(pk__lte=self.through)
        if self.replays_after is not None:
            within &= Q(pk__gt=self.replays_after)
        if self.sent_to is not None:
            # Nothing is sent before it is made.
            within &= Q(pk__lte=_made_until(self.sent_to + _SKEW))
        return within

    # Which index to follow.

    def _by_status(self) -> Iterator[tuple[QuerySet[Delivery], Q]]:
        """The rows of each index, and which of its statuses are meant where not all are."""
        chosen = frozenset(self.statuses or Status.values)
        if self.webhook_id is not None:
            indexes = _OF_WEBHOOK if Status.SUCCESS in chosen else _OF_STATUS
        elif Status.SUCCESS in chosen:
            yield self._of_account(), Q() if len(chosen) == len(Status) else Q(status__in=chosen)
            return
        else:
            indexes = _OF_STATUS
        for statuses in indexes:
            meant = chosen.intersection(statuses)
            if meant:
                rows = self._elsewhere().filter(_among(statuses))
                if statuses in _LED_BY_WEBHOOK and self.webhook_id is not None:
                    rows = rows.filter(webhook_id=self.webhook_id)
                else:
                    rows = rows.filter(self._of_webhook())
                yield rows, Q() if len(meant) == len(statuses) else Q(status__in=meant)

    def _of_account(self) -> QuerySet[Delivery]:
        rows = Delivery.objects.all()
        return rows if self.account_id is None else rows.filter(account_id=self.account_id)

    def _elsewhere(self) -> QuerySet[Delivery]:
        """The account's rows by another index than its own."""
        rows = Delivery.objects.all()
        return rows if self.account_id is None else rows.filter(Exact(_unindexed("account_id"), self.account_id))

    # What is asked of each row.

    def _of_webhook(self) -> Q:
        return Q() if self.webhook_id is None else Q(Exact(_unindexed("webhook_id"), self.webhook_id))

    def _asked(self, found: bool = False) -> Q:
        """What no index answers; `found`: by the words already."""
        asked = Q()
        if self.sent_as:
            asked &= Q(sent_as__in=self.sent_as)
        if self.codes is not None:
            asked &= Q(code__range=self.codes)
        if self.error:
            asked &= Q(error__startswith=self.error)
        if self.sent_from is not None:
            asked &= Q(transmitted_at__gte=self.sent_from)
        if self.sent_to is not None:
            asked &= Q(transmitted_at__lte=self.sent_to)
        if self.replays_after is not None:
            asked &= Q(replay_of__isnull=False)
        if not self.tests:
            asked &= Q(test=False)
        if self.office_ids is not None:
            asked &= _in_offices(self.office_ids)
            if self.lead_id is None and self.ids is None:
                asked &= ~Q(dialect__in=_OF_ACCOUNTS)
        words = self.words.strip()
        if words and not found:
            named = Event.objects.filter(Q(label__icontains=words) | Q(email__icontains=words), pk=OuterRef("event_id"))
            asked &= Q(error__icontains=words) | Q(Exists(named))
        return asked

    def _leads_with(self, words: str) -> list[int]:
        leads = Lead.with_merged.filter(Q(full_name__icontains=words) | Q(email__icontains=words))
        if self.account_id is not None:
            leads = leads.filter(account_id=self.account_id)
        return list(leads.order_by("-pk").values_list("pk", flat=True)[:_LEADS])


def _made_until(moment: datetime) -> int:
    """The id of the newest delivery that was made by then, 0 where there is none.

    Ids grow as time does: it is found bit by bit, as an index of times would be paid for at every save.
    """
    table = Delivery._meta.db_table
    next_one = f"SELECT created_at FROM {table} WHERE id >= found + step ORDER BY id LIMIT 1"
    rows = sql.run(
        f"""
        WITH RECURSIVE search (found, step) AS (
            SELECT CAST(0 AS bigint), CAST({2**62} AS bigint)
            UNION ALL
            SELECT CASE WHEN ({next_one}) <= {sql.as_instant("%s")} THEN found + step ELSE found END, step / 2
            FROM search WHERE step > 0
        )
        SELECT found FROM search WHERE step = 0
        """,
        sql.instant(moment),
    )
    return int(rows[0][0])


def _in_offices(office_ids: frozenset[int]) -> Q:
    """The lead is in one of these offices now."""
    leads = Lead.with_merged.filter(office_id__in=office_ids, pk=OuterRef("record_id"))
    return Q(Exists(Event.objects.filter(Exists(leads), pk=OuterRef("event_id"), record=Lead.record_name)))


def _events_of(lead_ids: Sequence[int]) -> QuerySet[Event, Any]:
    return Event.objects.filter(record=Lead.record_name, record_id__in=lead_ids).order_by().values("pk")


def _among(statuses: Sequence[str]) -> Func:
    if len(statuses) == 1:
        template = f"%(expressions)s = '{Status(statuses[0]).value}'"
    else:
        template = f"%(expressions)s IN ({', '.join(repr(Status(status).value) for status in statuses)})"
    return Func(F("status"), template=template, output_field=BooleanField())


def _unindexed(column: str) -> Func:
    """The column as an expression, so that its index is not taken."""
    return Func(F(column), template="+%(expressions)s", output_field=BigIntegerField())
