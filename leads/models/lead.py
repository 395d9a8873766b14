"""The lead. Its fields and their rules are the catalogue's (leads/fields.py, leads/validation.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections, models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from leads import fields, identity, lead_row, statement, validation
from leads import setup as setups
from leads.changes import CHUNK, Row, Unit, open_unit
from leads.identity import folded
from leads.models.account import Account
from leads.models.campaign import Campaign
from leads.models.labels import LabelsField
from leads.models.lead_list import LeadList
from leads.models.office import Office
from leads.models.pipeline import Pipeline, Stage
from leads.models.record import Columns, Record, RecordQuerySet
from leads.models.tag import Tag
from leads.models.user import User


def _text(key: str, **options: Any) -> Any:
    """The column of a text or choice field of the catalogue; unset is NULL, never ''."""
    field = fields.BY_KEY[key]
    longest = field.max_length or max(len(value) for value, _ in field.choices)
    if field.choices:
        options["choices"] = field.choices
    return models.CharField(field.label, max_length=longest, **({"null": True, "blank": True} | options))


# Column -> its index.
_RECOGNISED = {
    "email_key": "lead_email",
    "business_email_key": "lead_business_email",
    "phone_e164": "lead_phone",
    "likeness": "lead_likeness",
}


class StandingLeads(models.Manager.from_queryset(RecordQuerySet)):  # type: ignore[misc]
    """Without those that were merged into another one: wherever leads are asked for, these are not."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(merged_into=None)


class Lead(Record):
    record_name = "lead"

    objects = StandingLeads()  # type: ignore[misc]
    with_merged = RecordQuerySet.as_manager()

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="leads")
    office = models.ForeignKey(Office, on_delete=models.PROTECT, related_name="leads", null=True, blank=True)
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, related_name="children", null=True, blank=True)
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="leads", null=True, blank=True)
    company = models.ForeignKey("leads.Company", on_delete=models.SET_NULL, related_name="leads", null=True, blank=True)
    # The lead that this one became a part of (leads/merge.py): it is kept for its history, and goes with that one.
    merged_into = models.ForeignKey(
        "self", on_delete=models.CASCADE, related_name="merged", null=True, blank=True, editable=False
    )
    type = _text("type")
    source = _text("source")
    status = _text("status", null=False, blank=False, default="UNREAD")
    # Where the lead stands: `stage` is the LeadPro code of the stage. A new lead begins where its pipeline does.
    pipeline = models.ForeignKey(Pipeline, on_delete=models.PROTECT, related_name="leads")
    pipeline_stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="leads")
    stage = _text("stage", null=False, blank=False, default="")
    lead_status = _text("lead_status")
    score = models.IntegerField(default=0)
    title = _text("title")
    first_name = _text("first_name")
    last_name = _text("last_name")
    full_name = _text("full_name")
    full_name_derived = models.BooleanField(default=False, editable=False)
    email = _text("email")
    business_email = _text("business_email")
    # What leads are recognised by (leads/identity.py): the e-mails folded, and name with postcode.
    email_key = models.CharField(max_length=identity.LONGEST, null=True, editable=False)
    business_email_key = models.CharField(max_length=identity.LONGEST, null=True, editable=False)
    likeness = models.CharField(max_length=identity.LONGEST, null=True, editable=False)
    phone = _text("phone")
    phone_e164 = models.CharField(max_length=16, null=True, editable=False)
    callable = models.BooleanField(default=False, editable=False)
    address = _text("address")
    postcode = _text("postcode")
    company_name = _text("company_name")
    property_reference = _text("property_reference")
    # Names as they were when the lead was referred: the office and account it came from may go.
    referred_by_office_id = models.BigIntegerField(null=True, editable=False)
    referred_by_office_name = models.CharField(max_length=100, null=True, editable=False)
    referred_by_account_id = models.BigIntegerField(null=True, editable=False)
    referred_by_account_name = models.CharField(max_length=100, null=True, editable=False)
    tags = LabelsField(Tag, related_name="leads", blank=True)
    lists = LabelsField(LeadList, related_name="leads", blank=True)
    campaigns = LabelsField(Campaign, related_name="leads", blank=True)
    # {key: value} by the account's own definitions; a value that was cleared is None.
    custom_fields = models.JSONField(default=dict, blank=True)
    # The rest of the catalogue: nothing filters, sorts or acts on it.
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # As another system told it; unset it is created_at.
    created_date = models.DateTimeField(null=True, editable=False)
    modified_date = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(Record.Meta):
        base_manager_name = "with_merged"
        ordering = ["-created_at", "-id"]
        permissions = [
            ("merge_lead", "Can merge lead"),
            ("import_lead", "Can import lead"),
            ("export_lead", "Can export lead"),
        ]
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="lead_newest"),
            models.Index(fields=["office", "-created_at", "-id"], name="lead_office_newest"),
            *(
                models.Index(fields=["account", column], name=name, condition=Q(**{f"{column}__isnull": False}))
                for column, name in _RECOGNISED.items()
            ),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email or self.phone or f"Lead {self.pk}"

    # Access by catalogue key, wherever the value is stored.

    def get(self, key: str) -> Any:
        field = fields.BY_KEY[key]
        if key in _RELATED:
            relation, attribute = _RELATED[key]
            return None if getattr(self, f"{relation}_id") is None else getattr(getattr(self, relation), attribute)
        if field.kind == "labels":
            return self._labels[key] if key in self._labels else labels_field(key).names(self)
        if field.column:
            value = getattr(self, key)
            return (
                lead_row.moment(key, value or self.created_at)
                if field.kind == "datetime" and key != "created_at"
                else value
            )
        return self.details.get(key, fields.EMPTY.get(field.kind))

    def set(self, key: str, value: Any) -> None:
        """Labels are given by name, and stored when the lead is saved."""
        field = fields.BY_KEY[key]
        if field.kind == "datetime" and isinstance(value, str):
            moment = validation.read_moment(value)
            value = moment if field.column else validation.in_seconds(moment)
        if field.kind == "labels":
            self._labels[key] = value or []
        elif field.column:
            setattr(self, key, fields.EMPTY[field.kind].copy() if value is None and field.kind == "custom" else value)
        elif value is None:
            self.details.pop(key, None)
        else:
            self.details[key] = value

    def values(self) -> dict[str, Any]:
        """Every field of the catalogue, by key."""
        return {key: self.get(key) for key in fields.BY_KEY}

    @property
    def _labels(self) -> dict[str, list[str]]:
        """Names that were set and are not stored yet."""
        return self.__dict__.setdefault("_labels_set", {})

    def taken_labels(self) -> dict[str, list[str]]:
        """The same, for who stores them in place of save()."""
        taken: dict[str, list[str]] = self.__dict__.pop("_labels_set", {})
        return taken

    # What was read or last saved of some columns: by what differs we know what was set since.

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        lead = super().from_db(*args, **kwargs)
        lead._remember(_REMEMBERED)
        return lead

    def refresh_from_db(self, using: str | None = None, fields: Any = None, from_queryset: Any = None) -> None:
        super().refresh_from_db(using, fields, from_queryset)
        if fields is None:
            self._labels.clear()
            self._remember(_REMEMBERED)
        else:
            names = {column.name: column.attname for column in self._meta.concrete_fields}
            self._remember(_REMEMBERED & {names.get(name, name) for name in fields})

    def _remember(self, columns: Collection[str]) -> None:
        self.__dict__.setdefault("_was", {}).update({column: self.__dict__.get(column) for column in columns})

    def derive(self, before: Row | None, stored: Row | None, written: Collection[str] | None, work: Unit) -> Columns:
        refuse_merged(stored)
        followed: dict[str, Any] = {}
        was = self.__dict__.get("_was")
        if written is None or not _PLACE_NAMES.isdisjoint(written):
            now = {key: getattr(self, key) for key in setups.PLACE}
            followed = setups.within(work, self.account_id).follow(now, setups.moved(now, was or stored))
            for key, value in followed.items():
                setattr(self, key, value)
        if was is None or self.modified_date == was["modified_date"]:
            self.modified_date = work.now if stored is not None else self.modified_date
        else:
            work.marks[Lead, self.pk, "modified_date"] = self.modified_date
        return super().derive(before, stored, written and {*written, *followed}, work) | followed.keys()

    def saved(self, using: str) -> None:
        self._remember(_REMEMBERED)
        for key in list(self._labels):
            self._store_labels(key, self._labels[key], using)
            del self._labels[key]

    @classmethod
    def updated(cls, using: str, pks: Sequence[int], written: Collection[str]) -> None:
        """What a queryset set of a lead's place is followed at once: a later write may set another part of it."""
        moved = [key for key in setups.PLACE if not {key, key.removesuffix("_id")}.isdisjoint(written)]
        if not moved:
            return
        mending: dict[tuple[Any, ...], list[int]] = {}
        for start in range(0, len(pks), CHUNK):
            for pk, row in cls.rows(using, pks[start : start + CHUNK]).items():
                followed = row["setup"].follow(row, moved)
                if followed["pipeline_stage_id"] is not None and any(row[key] != followed[key] for key in followed):
                    mending.setdefault(tuple(followed.values()), []).append(pk)
        for place, followers in mending.items():
            for start in range(0, len(followers), CHUNK):
                rows = cls.plain(using).filter(pk__in=followers[start : start + CHUNK])
                rows.update(**dict(zip(setups.PLACE, place, strict=True)))

    def _store_labels(self, key: str, names: Sequence[str], using: str) -> None:
        """Tags come into being by being used; lists and campaigns have to be there."""
        if work := open_unit(using):
            work.touch(Lead, [self.pk])
        relation = getattr(self, key)
        names_by_key = {folded(name): name.strip() for name in reversed(names)}
        labels = relation.model._base_manager.using(using).filter(account_id=self.account_id, key__in=names_by_key)
        ids = dict(labels.values_list("key", "pk"))
        unknown = [name for folded_name, name in names_by_key.items() if folded_name not in ids]
        if unknown and key != "tags":
            message = f"must be names of {key} of the account: {unknown[0]} is none"
            raise invalid([validation.Violation(key, "reference", message)])
        if unknown:
            # Somebody else may be inventing the same one.
            new = [relation.model(account_id=self.account_id, name=name, key=folded(name)) for name in unknown]
            relation.model._base_manager.using(using).bulk_create(new, ignore_conflicts=True)
            ids = dict(labels.values_list("key", "pk"))
        self._relate(relation, [ids[folded_name] for folded_name in dict.fromkeys(map(folded, names))], using)

    def _relate(self, relation: Any, label_ids: Sequence[int], using: str) -> None:
        """The manager's set() adds in any order: here the last one given is the one joined last. The unit is open."""
        rows = relation.through._default_manager.using(using)
        mine, label_id = rows.filter(**{relation.source_field_name: self}), f"{relation.target_field_name}_id"
        there = set(mine.values_list(label_id, flat=True))
        if not there.issubset(label_ids):
            mine.exclude(**{f"{label_id}__in": label_ids}).delete()
        new = [
            relation.through(**{relation.source_field_name: self, label_id: pk}) for pk in label_ids if pk not in there
        ]
        rows.bulk_create(new, ignore_conflicts=True)

    # What a unit of work asks (leads/models/record.py).

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        from leads.models.message import Message

        return {
            "account_name": F("account__name"),
            "setup_token": F("account__setup_token"),
            "office_name": F("office__name"),
            "company_title": F("company__name"),
            "company_account_id": F("company__account_id"),
            "owner_email": F("owner__email"),
            "owner_username": F("owner__username"),
            "owner_first_name": F("owner__first_name"),
            "owner_last_name": F("owner__last_name"),
            "has_messages": Exists(Message.objects.filter(lead=OuterRef("pk"))),
            **{f"{key}_given": labels_field(key).pairs() for key in lead_row.LABELS},
        }

    @classmethod
    def rows(cls, using: str, pks: Iterable[int], lock: bool = False) -> dict[int, Row]:
        rows = super().rows(using, pks, lock)
        for row in rows.values():
            row["setup"] = setups.of(row["account_id"], using, row["setup_token"])
        return rows

    @classmethod
    def parts(cls, using: str, rows: Mapping[int, Row]) -> Mapping[int, Row]:
        """The messages of these leads, oldest first: the newest ones, as far as THREAD_BYTES go."""
        from leads.models.message import Message

        threads: dict[int, list[Any]] = {pk: [] for pk, row in rows.items() if row["has_messages"]}
        room = dict.fromkeys(threads, THREAD_BYTES)
        if threads:
            newest_first = Message.objects.using(using).filter(lead__in=threads).order_by("-date", "-id")
            for message in newest_first.select_related("campaign"):
                room[message.lead_id] -= len(message.body.encode(errors="replace"))
                if room[message.lead_id] >= 0:
                    threads[message.lead_id].append(message.told())
        return {pk: {"messages": thread[::-1]} for pk, thread in threads.items()}

    @classmethod
    def derived(cls, before: Row | None, after: Row, work: Unit, settling: bool = True) -> Row:
        derived = validation.derive({**after["details"], **after}, before)
        derived |= _keys({**after, **derived})
        setup = after.get("setup") or setups.within(work, after["account_id"])
        derived |= setup.follow(after, setups.moved(after, before))
        grown = (Lead, after["id"], "histories")
        details = after["details"]
        if settling and before is not None and grown in work.marks:
            details = lead_row.without_detours(before, after)
        details = lead_row.with_histories(before, {**after, "details": details})
        if details != after["details"]:
            derived["details"] = details
            work.marks[grown] = True
        return derived

    @classmethod
    def stamps(cls, before: Row | None, after: Row, changed: bool, work: Unit) -> Row:
        stamps = super().stamps(before, after, changed, work)
        if before is not None and not changed:
            given = work.marks.get((Lead, before["id"], "modified_date"))
            return stamps | {"modified_date": given or before["modified_date"]}
        if before is not None and after["modified_date"] == before["modified_date"]:
            return stamps | {"modified_date": work.now}
        return stamps

    @classmethod
    def next_stamps(cls, work: Unit) -> dict[str, Any]:
        return super().next_stamps(work) | {"modified_date": work.now}

    @classmethod
    def hidden(cls, row: Row) -> bool:
        return row["merged_into_id"] is not None

    @classmethod
    def check_rules(cls, before: Row | None, after: Row) -> None:
        if before is not None and before["account_id"] != after["account_id"]:
            raise invalid([validation.Violation("account_id", "kept", "cannot be changed")])
        if after["company_id"] is not None and after["company_account_id"] != after["account_id"]:
            raise invalid([validation.Violation("company_id", "reference", "must be a company of the account")])
        values, was = lead_row.by_key(after), lead_row.by_key(before) if before is not None else None
        if violations := judge_change(values, was, setup=after["setup"]):
            raise invalid(violations)

    @classmethod
    def claim(cls, changes: Sequence[tuple[Row | None, Row]], using: str) -> None:
        if any(after["setup"].unique for _, after in changes):
            from leads import unique

            unique.claim(changes, using)

    @classmethod
    def differences(cls, before: Row, after: Row) -> dict[str, tuple[Any, Any]]:
        return lead_row.differences(before, after)

    @classmethod
    def beginnings(cls, row: Row, snapshot: Mapping[str, Any]) -> dict[str, tuple[None, Any]]:
        return lead_row.beginnings(row, snapshot)

    @classmethod
    def snapshot(cls, row: Row, parts: Row) -> dict[str, Any]:
        return lead_row.snapshot(row, parts.get("messages", []))

    @classmethod
    def label(cls, row: Row) -> str:
        return row["full_name"] or row["email"] or row["phone"] or f"Lead {row['id']}"

    @classmethod
    def event_types(cls, before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
        return lead_row.event_types(before, after, changes)


# Key -> the relation and its attribute that it is a name for.
_RELATED = {
    "account_name": ("account", "name"),
    "office_name": ("office", "name"),
    "owner": ("owner", "email"),
    "owner_name": ("owner", "full_name"),
    "pipeline": ("pipeline", "name"),
    "stage_name": ("pipeline_stage", "name"),
    "stage_outcome": ("pipeline_stage", "outcome"),
    "company": ("company", "name"),
}
_PLACE_NAMES = {*setups.PLACE, "pipeline", "pipeline_stage"}
_REMEMBERED = {*setups.PLACE, "modified_date"}

# Of the messages in a snapshot, all together: each event carries them, and a body of more than 1 MiB is not sent.
THREAD_BYTES = 256 * 1024


def _keys(row: Mapping[str, Any]) -> dict[str, str | None]:
    """What the lead is recognised by."""
    return {
        "email_key": identity.text_key(row["email"]),
        "business_email_key": identity.text_key(row["business_email"]),
        "likeness": identity.likeness(row["full_name"], row["postcode"]),
    }


def labels_field(key: str) -> LabelsField:
    """The relation of a catalogue field whose kind is labels."""
    field: Any = Lead._meta.get_field(key)
    return field


def refuse_merged(row: Row | None) -> None:
    """Nothing is written to a lead that was merged: whoever had read it before must not bring it back."""
    if row is not None and row["merged_into_id"] is not None:
        message = f"was merged into lead {row['merged_into_id']}"
        raise ValidationError({"lead": ValidationError(message, code="merged")})


def keep_open(lead_id: int, using: str) -> bool:
    """See to it that nobody merges this lead before the unit ends: what is about to name it would be left behind.

    False where somebody did while it was waited for.
    """
    if connections[using].vendor != "postgresql":
        return True  # one transaction writes at a time
    table = connections[using].ops.quote_name(Lead._meta.db_table)
    rows = statement.run(f"SELECT merged_into_id FROM {table} WHERE id = %s FOR KEY SHARE", [lead_id], using)
    return not rows or rows[0][0] is None


def keep_parent_open(parent_id: int, lead_id: int, using: str) -> None:
    """The same for what is about to become the parent of a lead, before that one is locked: a merge locks leads in the
    order of their ids. A parent of a higher id is locked when it is judged."""
    if parent_id < lead_id:
        keep_open(parent_id, using)


def _at(values: Mapping[str, Any], path: str) -> Any:
    key, _, rest = path.partition(".")
    return values[key].get(rest) if rest else values.get(key)


def judge(
    values: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    *,
    setup: setups.Setup,
    leads_api: bool = False,
    changed_only: bool = False,
) -> list[validation.Violation]:
    """What the rules say of a merged record by catalogue key, before being what is stored (None: a new lead).

    Admin, API and the unit of work ask here, so that all of them choose the profile alike. changed_only is what
    validation.validate() makes of it.
    """
    followed = setup.follow(values, setups.moved(values, before))
    empty = {key for key in followed if values.get(key) in (None, "")}
    if before is None:
        # What was given is judged as it was given.
        followed = {key: value or None for key, value in followed.items() if key in empty}
    else:
        # Who empties one of them is told that it is kept.
        followed = {key: value for key, value in followed.items() if key not in empty and value is not None}
    values = {**values, **followed}
    profile = validation.profile_for(
        values, leads_api=leads_api, reference_required=settings.LEADPRO_REFERENCE_REQUIRED
    )
    found = validation.validate(values, profile, before, changed_only=changed_only)
    named = {violation.field for violation in found}
    return found + [violation for violation in setup.judge(values, before) if violation.field not in named]


def judge_change(
    values: Mapping[str, Any], before: Mapping[str, Any] | None, *, setup: setups.Setup
) -> list[validation.Violation]:
    """The same of what differs. A rule that was made stricter since does not stand in the way of what has nothing to
    do with it."""
    found = judge(values, before, setup=setup, changed_only=True)
    if not found or before is None:
        return found
    known = {(one.field, one.rule) for one in judge(before, before, setup=setup, changed_only=True)}
    return [
        one for one in found if (one.field, one.rule) not in known or _at(values, one.field) != _at(before, one.field)
    ]


def invalid(violations: list[validation.Violation]) -> ValidationError:
    """The violations as Django's forms and our API read them: by field, the rule being the code."""
    by_field: dict[str, list[ValidationError]] = {}
    for violation in violations:
        by_field.setdefault(violation.field, []).append(ValidationError(violation.message, code=violation.rule))
    return ValidationError(by_field)
