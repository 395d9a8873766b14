"""How many leads come in at once, as of a file: the rules of intake.py, with a handful of statements for all of them.

Whatever the rows name is asked for once, new leads are inserted together, and so are their labels. All of it is one
unit of work: what breaks a rule only as a whole is told by an exception, and then nothing is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from django.db import DEFAULT_DB_ALIAS

from leads import assignment, lead_row, statement
from leads import setup as setups
from leads.changes import Row, Unit, unit
from leads.identity import digest, folded
from leads.intake import NAMED, Policy, Refused, lay, lead_of, matchable
from leads.models import Account, Lead, LeadKey
from leads.models.intake_policy import PERSON
from leads.models.lead import labels_field
from leads.recognition import MATCHED, key_of, known
from leads.references import by_name, is_name
from leads.scope import Scope
from leads.setup import Setup
from leads.validation import Violation

Given = Mapping[str, Any]
Labels = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row; violations where it was refused."""

    action: Literal["created", "updated", "refused"]
    violations: Sequence[Violation] = ()


def take_all(account_id: int, rows: Sequence[Given], policy: Policy, scope: Scope) -> list[Outcome]:
    """Store what came as leads, in its order, as one unit of work; what breaks a rule is left out.

    The arguments are those of intake.take(). A row that names the lead of an earlier one is laid over it. Raises
    ValidationError where rows that are fine by themselves cannot all be stored.
    """
    with unit() as work:
        intake = _Intake.of(account_id, policy, scope)
        keys = [intake.key(given) for given in rows]
        intake.hold(rows)
        outcomes: list[Outcome] = []
        for part in intake.parts(keys):
            outcomes += intake.take(rows[part], keys[part], work)
        return outcomes


def rehearse(account_id: int, rows: Sequence[Given], policy: Policy, scope: Scope, seen: set[str]) -> list[Outcome]:
    """What would become of them, with nothing stored or locked.

    seen   keys of the rows before these, which would be there by now; it is added to. Such a row is judged as a new
           lead, as what it would be laid over is nowhere yet.
    """
    intake = _Intake.of(account_id, replace(policy, assign=PERSON), scope)
    keys = [intake.key(given) for given in rows]
    by_key = intake.standing(keys)
    there = Lead.rows(DEFAULT_DB_ALIAS, by_key.values())
    outcomes = []
    for given, key in zip(rows, keys, strict=True):
        row = there.get(by_key[key]) if key in by_key else None
        action: Literal["created", "updated"] = "updated" if row is not None or key in seen else "created"
        try:
            intake.lay(row, given)
            outcomes.append(Outcome(action))
            seen |= {key} if key is not None else set()
        except Refused as refused:
            outcomes.append(Outcome("refused", refused.violations))
    return outcomes


def keys_of(account_id: int, rows: Sequence[Given], policy: Policy) -> set[str]:
    """What these rows would be known by."""
    intake = _Intake.of(account_id, policy, Scope(account_id, None))
    return {key for given in rows if (key := intake.key(given)) is not None}


@dataclass(frozen=True, slots=True)
class _Remembering(Scope):
    """The same scope, asking the database once for what many rows name alike."""

    judged: dict[str, list[Violation]] = field(default_factory=dict)
    only: dict[int, int | None] = field(default_factory=dict)

    def only_office(self, account_id: int) -> int | None:
        if account_id not in self.only:
            self.only[account_id] = Scope.only_office(self, account_id)
        return self.only[account_id]

    def judge(
        self,
        account_id: int,
        values: Mapping[str, Any],
        before: Mapping[str, Any] | None = None,
        lead_id: int | None = None,
        beside: Collection[int] = (),
    ) -> list[Violation]:
        if values.get("parent_id") is not None or setups.of(account_id).unique:
            return Scope.judge(self, account_id, values, before, lead_id, beside)
        stored = before or {}
        asked = repr([(values.get(key), stored.get(key)) for key in _IN_REACH])
        if asked not in self.judged:
            self.judged[asked] = Scope.judge(self, account_id, values, before, lead_id, beside)
        return self.judged[asked]


# What Scope.judge looks at, beside the parent and unique fields.
_IN_REACH: Final = ("office_id", "owner_id", "company_id", "lists", "campaigns")
# Names that have to be looked up in a table.
_LOOKED_UP: Final = ("owner", "office_name", "company")


@dataclass(frozen=True, slots=True)
class _Intake:
    account: Account
    policy: Policy
    scope: Scope
    setup: Setup
    # Who gets a new lead, where that is one person.
    owner_id: int | None
    names: dict[tuple[str, str], int | None] = field(default_factory=dict)

    @classmethod
    def of(cls, account_id: int, policy: Policy, scope: Scope) -> _Intake:
        setup = setups.of(account_id)
        owner_id = None
        if policy.assign == PERSON and policy.owner_id is not None:
            owner_id = assignment.owner_of(account_id, PERSON, policy.owner_id, None)
            policy = replace(policy, owner_id=None)
        if policy.match not in matchable(setup):
            policy = replace(policy, match="")
        remembering = _Remembering(scope.account_id, scope.office_ids)
        return cls(Account.objects.get(pk=account_id), policy, remembering, setup, owner_id)

    def key(self, given: Given) -> str | None:
        return key_of(self.policy.match, given) if self.policy.match else None

    def hold(self, rows: Sequence[Given]) -> None:
        """Their key rows are ours until the unit ends."""
        fields = {self.policy.match, *(one.path for one in self.setup.unique)} if self.policy.match else set()
        pairs = {(name, digest(key)) for name in fields for given in rows if (key := key_of(name, given)) is not None}
        LeadKey.hold(self.account.pk, dict.fromkeys(pairs))

    def parts(self, keys: Sequence[str | None]) -> Iterator[slice]:
        """The rows in parts of which none has a key twice: the later row finds what the earlier one has stored. By
        unique fields rows may meet as well: there each is a part."""
        if self.setup.unique:
            yield from (slice(place, place + 1) for place in range(len(keys)))
            return
        start, seen = 0, set[str]()
        for place, key in enumerate(keys):
            if key is not None and key in seen:
                yield slice(start, place)
                start, seen = place, set()
            if key is not None:
                seen.add(key)
        yield slice(start, len(keys))

    def standing(self, keys: Sequence[str | None]) -> dict[str, int]:
        """Key -> id of the lead that is known by it, of several the oldest; without those that were merged."""
        wanted = {key for key in keys if key is not None}
        column = MATCHED.get(self.policy.match)
        if not wanted:
            return {}
        leads = self.scope.leads().filter(account_id=self.account.pk)
        if column:
            return dict(leads.filter(**{f"{column}__in": wanted}).order_by("-pk").values_list(column, "pk"))
        pairs = {(self.policy.match, digest(key)): key for key in wanted}
        held = {pairs[row.field, row.digest]: row.lead_id for row in LeadKey.among(self.account.pk, pairs)}
        there = set(leads.filter(pk__in=[pk for pk in held.values() if pk]).values_list("pk", flat=True))
        return {key: pk for key, pk in held.items() if pk in there}

    def _rows(self, given: Sequence[Given], keys: Sequence[str | None], work: Unit) -> list[Row | None]:
        """Of each the row of the lead that it is about, locked; None for a new one."""
        column = MATCHED.get(self.policy.match)
        if not column or self.setup.unique:
            return [self._known(one, work) for one in given]
        by_key = self.standing(keys)
        pks = sorted(by_key.values())
        work.touch(Lead, pks)
        there = Lead.rows(work.using, pks)
        missing = {key for key in keys if key is not None} - by_key.keys()
        merged = Lead.with_merged.filter(account=self.account, merged_into__isnull=False, **{f"{column}__in": missing})
        elsewhere = set(merged.values_list(column, flat=True)) if missing else set()
        found: list[Row | None] = []
        for one, key in zip(given, keys, strict=True):
            row = there.get(by_key[key]) if key in by_key else None
            # What was merged, and what somebody made another one of while we waited for it, is found one by one.
            changed = key in by_key and (row is None or Lead.hidden(row) or row[column] != key)
            found.append(self._known(one, work) if changed or key in elsewhere else row)
        return found

    def _known(self, given: Given, work: Unit) -> Row | None:
        return known(self.account.pk, given, self.policy.match, self.scope, self.setup, work)

    def take(self, rows: Sequence[Given], keys: Sequence[str | None], work: Unit) -> list[Outcome]:
        outcomes: list[Outcome] = []
        new: list[Lead] = []
        stored: dict[int, Row | None] = {}
        labelled: list[tuple[Lead, Row | None, Labels]] = []
        for given, row in zip(rows, self._rows(rows, keys, work), strict=True):
            if row is not None and row["id"] in stored:  # by another key, of one that was merged into it
                row = Lead.rows(work.using, [row["id"]])[row["id"]]
            try:
                lead, changed = self.lay(row, given)
            except Refused as refused:
                outcomes.append(Outcome("refused", refused.violations))
                continue
            labels = lead.taken_labels()
            if changed and labels:
                labelled.append((lead, row, labels))
            if row is None:
                new.append(lead)
            elif changed:
                lead.save()
                stored[lead.pk] = row
            outcomes.append(Outcome("created" if row is None else "updated"))
        Lead.objects.bulk_create(new)
        self._label(labelled)
        if self.setup.unique:
            # The unit claims at its end, and the next row has to find them.
            stored |= {lead.pk: None for lead in new}
            after = Lead.rows(work.using, stored)
            Lead.claim([(stored[pk], after[pk]) for pk in stored], work.using)
        return outcomes

    def lay(self, row: Row | None, given: Given) -> tuple[Lead, bool]:
        """The lead, not saved, and whether there is something to save. Raises Refused."""
        given = dict(given)
        if row is None and self.owner_id is not None and not given.get("owner") and not given.get("owner_id"):
            given["owner_id"] = self.owner_id
        for name in _LOOKED_UP:
            value = given.get(name)
            if isinstance(value, str) and value and is_name(value) and given.get(NAMED[name]) is None:
                if (name, value) not in self.names:
                    found = by_name(name, value, self.account.pk, self.scope, self.setup, None)
                    self.names[name, value] = found
                if (pk := self.names[name, value]) is not None:
                    del given[name]
                    given[NAMED[name]] = pk
        lead = Lead(account=self.account) if row is None else lead_of(row)
        return lead, lay(lead, row, given, self.policy, self.scope, self.setup)

    def _label(self, wanted: Sequence[tuple[Lead, Row | None, Labels]]) -> None:
        """Put the leads under these labels and no others of their kind, with two or three statements for each kind. New
        leads, and those that were touched, are told by the unit as they then stand."""
        for name in lead_row.LABELS:
            each = [(lead, row, labels[name]) for lead, row, labels in wanted if name in labels]
            if not each:
                continue
            relation = labels_field(name)
            model: Any = relation.related_model
            through: Any = relation.remote_field.through
            of_lead, of_label = relation.m2m_field_name(), relation.m2m_reverse_field_name()
            spelled = {folded(one): one.strip() for _, _, names in each for one in names}
            found = model._base_manager.filter(account=self.account, key__in=spelled).values_list("key", "pk")
            ids = dict(found)
            if name == "tags" and (unknown := spelled.keys() - ids.keys()):
                made = [model(account=self.account, name=spelled[key], key=key) for key in sorted(unknown)]
                # Somebody else may be inventing the same one.
                model._base_manager.bulk_create(made, ignore_conflicts=True)
                ids = dict(found.all())
            rows: list[tuple[int, int]] = []
            for lead, row, names in each:
                now = [ids[key] for key in dict.fromkeys(map(folded, names))]
                was = [pk for pk, _ in row[f"{name}_given"]] if row is not None else []
                if gone := set(was) - set(now):
                    through._default_manager.filter(**{of_lead: lead, f"{of_label}__in": gone}).delete()
                rows += [(lead.pk, pk) for pk in now if pk not in was]
            statement.add(through._meta.db_table, (f"{of_lead}_id", f"{of_label}_id"), rows)
