"""The base of every model whose changes are facts: its writes open a unit of work (leads/changes.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, KeysView, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, ClassVar, Self

from django.db import connections, models, router
from django.db.models import F, OuterRef, Subquery
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from leads import statement
from leads.changes import CHUNK, Row, Unit, open_unit, unit
from leads.converters import converters

Columns = set[str]


class RecordQuerySet(models.QuerySet["Record"]):
    """Queryset writes that tell their facts."""

    def update(self, **values: Any) -> int:
        with unit(self._for_write_db(), savepoint=False) as work:
            pks = list(self.order_by("pk").values_list("pk", flat=True))
            written = set(values)
            if len(work.touch(self.model, pks)) == len(pks):
                values = self.model.next_stamps(work) | values  # else the unit's exit would do so row by row
            # By key, as a row that another transaction adds meanwhile was not touched.
            updated = sum(
                super(RecordQuerySet, self.filter(pk__in=pks[start : start + CHUNK])).update(**values)
                for start in range(0, len(pks), CHUNK)
            )
            self.model.updated(self.db, pks, written)
            return updated

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(  # type: ignore[override]
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        **options: Any,
    ) -> list[Any]:
        if ignore_conflicts or update_conflicts:
            raise ValueError(
                "bulk_create of records takes neither ignore_conflicts nor update_conflicts: "
                "which rows were written could not be told."
            )
        objs = list(objs)
        with unit(self._for_write_db(), savepoint=False) as work:
            work.touch(self.model, [obj.pk for obj in objs if obj.pk is not None])
            for obj in objs:
                obj.derive(None, None, None, work)
            created = super().bulk_create(objs, batch_size, **options)
            work.born(self.model, [obj.pk for obj in created])
            for obj in created:
                obj.saved(self.db)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        with unit(self._for_write_db(), savepoint=False) as work:
            work.doomed(self.model, list(self.order_by("pk").values_list("pk", flat=True)))
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _insert(self, objs: Any, fields: Any, returning_fields: Any = None, raw: Any = False, **rest: Any) -> Any:
        """The INSERT of save() and bulk_create(), as Django 5.2 asks for it."""
        using = rest["using"] or self.db
        columns = [(field, field.attname, kind) for field, kind in zip(fields, _kinds(tuple(fields)), strict=True)]
        in_json = connections[using].vendor == "postgresql" and len(objs) > statement.FEW
        write = _writer(using, tuple(fields), in_json)
        rows: list[list[Any]] = []
        for obj in objs:
            known = obj.__dict__
            written = write(
                [
                    known[attname] if kind and attname in known else field.pre_save(obj, True)
                    for field, attname, kind in columns
                ]
            )
            if written is None or raw or list(returning_fields or ()) != [self.model._meta.pk]:
                return super()._insert(objs, fields, returning_fields, raw, **rest)  # type: ignore[misc]
            rows.append(written)
        if in_json:
            text, names = _insert_json(self.model, using, tuple(fields))
            return statement.run(text, [statement.encoded(names, rows)], using)
        text = _insert(self.model, using, tuple(fields), len(rows))
        return statement.run(text, [value for row in rows for value in row], using, prepare=len(rows) == 1)

    def _for_write_db(self) -> str:
        self._for_write = True
        return self.db


class Record(models.Model):
    """A row with a version: one step per unit of work that changed it."""

    record_name: ClassVar[str]

    version = models.PositiveIntegerField(default=1, editable=False)

    objects = RecordQuerySet.as_manager()

    class Meta:
        abstract = True
        # Cascades and SET_NULL write through the base manager: they are told as well.
        base_manager_name = "objects"

    def save(self, *args: Any, using: str | None = None, update_fields: Any = None, **kwargs: Any) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        alone = open_unit(using) is None
        with unit(using, savepoint=False) as work:
            before = stored = left = None
            if self.pk is not None:
                left = work.as_left(type(self), self.pk)
                self.lock_before(update_fields, using)
                first = work.touch(type(self), [self.pk])
                before = work.before(type(self), self.pk)
                stored = before if first else left or type(self).rows(using, [self.pk]).get(self.pk)
            if update_fields is None and stored is not None and not self.__dict__.keys() >= _attributes(type(self))[0]:
                update_fields = {attname for _, attname, _ in _columns(type(self))} - self.get_deferred_fields()
            derived = self.derive(before, stored, update_fields, work)
            if update_fields:
                update_fields = {*update_fields, *derived}
            if stored is not None and not args and not kwargs.get("force_insert"):
                update_fields = self._unlike(stored, update_fields)
            super().save(*args, using=using, update_fields=update_fields, **kwargs)
            work.born(type(self), [self.pk])
            returned = self.__dict__.pop("_returned", None)
            if (alone or left is not None) and stored is not None and returned is not None:
                work.left(type(self), stored | returned)
            self.saved(using)

    def _unlike(self, stored: Row, written: Collection[str] | None) -> list[str]:
        """Of the columns that would be written (None: all) those that are not what they would become."""
        return [
            attname
            for name, attname, plain in _columns(type(self))
            if (written is None or name in written or attname in written)
            and not (
                type(now := getattr(self, attname)) is type(was := stored[attname])
                and now == was
                and (plain or not now)  # within JSON 1 and true are equal
            )
        ]

    def _do_update(self, base_qs: Any, using: Any, pk_val: Any, values: Any, *rest: Any) -> Any:
        """The UPDATE of a save, as Django 5.2 asks for it: for Django it takes longer to write it than to run it."""
        update_fields, _ = rest
        written = tuple(field for field, _, _ in values)
        parameters = _writer(using, written)([value for _, _, value in values])
        if not update_fields or parameters is None:
            return super()._do_update(base_qs, using, pk_val, values, *rest)
        update, converters = _update(type(self), using, written)
        found = statement.run(update, [*parameters, pk_val], using)
        if found and not any(field.is_relation for field in written):  # what hangs on a relation changes with it
            self._returned = _row([field.attname for field in written], converters, found[0])
        return bool(found)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        using = using or router.db_for_write(type(self), instance=self)
        with unit(using, savepoint=False) as work:
            work.doomed(type(self), [self.pk])
            return super().delete(using=using, keep_parents=keep_parents)

    def derive(self, before: Row | None, stored: Row | None, written: Collection[str] | None, work: Unit) -> Columns:
        """Set what follows from other columns before the row is written: the unit's exit then finds nothing to mend.

        before is the row as the unit found it, stored as it stands now; None where there was, or is, none. `written`
        names the columns that will be, None for all; the others count as they are stored, not as this instance may
        remember them.
        """
        columns: Row = dict(stored or {})
        names, values = _attributes(type(self))
        known = self.__dict__
        if written is None and known.keys() >= names:
            columns.update(zip(names, values(known), strict=True))
        else:
            for name, attname, _ in _columns(type(self)):
                if written is None or attname in written or name in written:
                    columns[attname] = getattr(self, attname)
        columns["id"] = self.pk
        derived: Row = {}
        if _PLAIN.issuperset(map(type, columns.values())) or not any(map(_is_expression, columns.values())):
            derived = self.derived(stored, columns, work, settling=False)
        derived |= self.stamps(before, columns, True, work)
        for column, value in derived.items():
            if column not in known or known[column] is not value:
                setattr(self, column, value)
        return set(derived)

    def lock_before(self, written: Collection[str] | None, using: str) -> None:
        """Lock what has to be locked before the row is; the unit is open. `written` names the columns that will be
        written, None for all."""

    def saved(self, using: str) -> None:
        """The row was just written, by save() or bulk_create(); the unit is open."""

    @classmethod
    def updated(cls, using: str, pks: Sequence[int], written: Collection[str]) -> None:
        """The rows were just written by a queryset; the unit is open."""

    # What a unit of work asks of the model.

    @classmethod
    def plain(cls, using: str) -> models.QuerySet[Self]:
        """A queryset that tells nothing."""
        return models.QuerySet(cls, using=using)

    @classmethod
    def names(cls) -> Mapping[str, Any]:
        """Annotations that the snapshot needs besides the row's own columns, and `setup_token`, the account's."""
        return {}

    @classmethod
    def rows(cls, using: str, pks: Iterable[int], lock: bool = False) -> dict[int, Row]:
        """The rows by key, as {column: value}."""
        pks = list(pks)
        if not pks:
            return {}
        lock = lock and connections[using].features.has_select_for_update
        rows = _read(cls, using, pks, lock)
        if lock and (len(rows) < len(pks) or any(row["version"] != row["version_seen"] for row in rows.values())):
            # After a wait PostgreSQL reads the locked row anew, but neither joins nor subqueries. It is ours now.
            rows = _read(cls, using, pks, lock)
        if work := open_unit(using):
            for account_id, token in {row["account_id"]: row["setup_token"] for row in rows.values()}.items():
                work.remember("setup", account_id, value=token)
        return rows

    @classmethod
    def parts(cls, using: str, rows: Mapping[int, Row]) -> Mapping[int, Row]:
        """By key what the snapshot needs of these rows beside themselves, such as rows that point to them."""
        return {}

    @classmethod
    def derived(cls, before: Row | None, after: Row, work: Unit, settling: bool = True) -> Row:
        """The columns that follow from others, with the values that they ought to have.

        settling: `after` is what the unit comes to, not one of the writes within it.
        """
        return {}

    @classmethod
    def stamps(cls, before: Row | None, after: Row, changed: bool, work: Unit) -> Row:
        """The columns that say which state of the record this is, and since when."""
        return {"version": (before["version"] if before else 0) + changed}

    @classmethod
    def next_stamps(cls, work: Unit) -> dict[str, Any]:
        """The same for rows that are written without being read: expressions."""
        return {"version": F("version") + 1}

    @classmethod
    def hidden(cls, row: Row) -> bool:
        """Whether the row is kept though the record is there for nobody: becoming so is told as a deletion, and the
        way back as a creation."""
        return False

    @classmethod
    def check_rules(cls, before: Row | None, after: Row) -> None:
        """Raise ValidationError where the row that is about to be committed breaks a rule."""

    @classmethod
    def claim(cls, changes: Sequence[tuple[Row | None, Row]], using: str) -> None:
        """Raise ValidationError where one of these rows, (before, after) each, has come to have what another one has
        for itself. Unlike its rules it is asked of rows that are put back as well."""

    @classmethod
    def differences(cls, before: Row, after: Row) -> dict[str, tuple[Any, Any]]:
        """Key -> (before, after) of what differs."""
        raise NotImplementedError

    @classmethod
    def beginnings(cls, row: Row, snapshot: Mapping[str, Any]) -> dict[str, tuple[None, Any]]:
        """The same for a new row."""
        raise NotImplementedError

    @classmethod
    def snapshot(cls, row: Row, parts: Row) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def label(cls, row: Row) -> str:
        """The record's name as history keeps it."""
        raise NotImplementedError

    @classmethod
    def event_types(cls, before: Row | None, after: Row | None, changes: Mapping[str, Any]) -> list[str]:
        """What happened, in the order in which it is told."""
        raise NotImplementedError


# What Django would take longer to write than the database to run is written once.

Converters = Sequence[tuple[str, Callable[[Any], Any]]]


def _read(model: type[Record], using: str, pks: Sequence[int], lock: bool) -> dict[int, Row]:
    select, given, columns, converters = _select(model, using, len(pks), lock)
    found = statement.run(select, [*given, *pks], using, prepare=len(pks) == 1)
    return {row["id"]: row for row in (_row(columns, converters, each) for each in found)}


@lru_cache(maxsize=32)
def _select(
    model: type[Record], using: str, count: int, lock: bool
) -> tuple[str, Sequence[Any], Sequence[str], Converters]:
    """The statement that reads so many rows, its parameters before the keys, its columns, and how they are read.

    lock: in one order for everybody, so that two units cannot wait for each other's locks. There is one column more
    then, `version_seen`: the version as it was when the statement began.
    """
    query = model.plain(using).filter(pk__in=range(count)).order_by("pk")
    columns = [field.attname for field in model._meta.concrete_fields]
    names = dict(model.names())
    if lock:
        names["version_seen"] = Subquery(model.plain(using).filter(pk=OuterRef("pk")).order_by().values("version"))
    compiler = query.values(*columns, **names).query.get_compiler(using)
    sql, parameters = compiler.as_sql()
    assert list(parameters)[-count:] == list(range(count)), "the keys stand last"
    if lock:
        ops = connections[using].ops
        sql += " " + ops.for_update_sql(of=(ops.quote_name(model._meta.db_table),), no_key=True)
    columns = [str(alias) for _, _, alias in compiler.select]
    converters = _converters(using, columns, [column for column, _, _ in compiler.select])
    converters = [(name, convert) for name, convert in converters if name != "version_seen"]  # it is compared only
    return sql, list(parameters)[:-count], columns, converters


@lru_cache(maxsize=256)
def _update(model: type[Record], using: str, fields: tuple[Any, ...]) -> tuple[str, Converters]:
    """The statement that writes these columns of one row and returns them as they have become."""
    quote = connections[using].ops.quote_name
    columns = [quote(str(field.column)) for field in fields]
    marked = ", ".join(f"{column} = %s" for column in columns)
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    update = f"UPDATE {table} SET {marked} WHERE {key} = %s RETURNING {', '.join(columns)}"
    read = [field.get_col(model._meta.db_table) for field in fields]
    return update, _converters(using, [field.attname for field in fields], read)


@lru_cache(maxsize=256)
def _insert_json(model: type[Record], using: str, fields: tuple[Any, ...]) -> tuple[str, Sequence[str]]:
    """The statement that inserts rows that are given as JSON and returns their keys, and its columns."""
    quote = connections[using].ops.quote_name
    columns = tuple(quote(str(field.column)) for field in fields)
    text = statement.insertion_of_json(quote(model._meta.db_table), columns)
    return f"{text} RETURNING {quote(str(model._meta.pk.column))}", columns


@lru_cache(maxsize=256)
def _insert(model: type[Record], using: str, fields: tuple[Any, ...], count: int) -> str:
    """The statement that inserts so many rows and returns their keys."""
    quote = connections[using].ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * count)
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    return f"INSERT INTO {table} ({columns}) VALUES {marks} RETURNING {key}"


# What goes into a column as it is, moments and JSON as the database wants them; all else Django makes fit.
_AS_THEY_ARE: Mapping[str, type] = {
    "CharField": str,
    "BooleanField": bool,
    "DateTimeField": datetime,
    "JSONField": dict,
    **dict.fromkeys(("BigIntegerField", "ForeignKey", "IntegerField", "PositiveIntegerField"), int),
}


def _writer(using: str, fields: tuple[Any, ...], in_json: bool = False) -> Callable[[list[Any]], list[Any] | None]:
    """What makes parameters of values of these columns; None where one is an expression, which is for Django to write.

    in_json: all of them go as one JSON text, in which JSON is no text of its own. It may write into the list that it is
    given.
    """
    kinds, connection = _kinds(fields), connections[using]
    as_it_is = [None if kind in (datetime, dict) else kind for kind in kinds]
    moment = statement.moments(using)

    def write(values: list[Any]) -> list[Any] | None:
        for place, (value, taken) in enumerate(zip(values, as_it_is, strict=True)):
            if value is None or type(value) is taken:
                continue
            kind = kinds[place]
            if kind is datetime and isinstance(value, datetime) and value.tzinfo is not None:
                values[place] = moment(value)
            elif kind is dict and type(value) is dict and fields[place].encoder is None:
                values[place] = value if in_json else _encode(value)
            elif _is_expression(value):
                return None
            else:
                values[place] = fields[place].get_db_prep_save(value, connection)
        return values

    return write


def _is_expression(value: Any) -> bool:
    return type(value) not in _PLAIN and hasattr(value, "resolve_expression")


_PLAIN = frozenset((bool, datetime, dict, int, str, type(None)))


@lru_cache(maxsize=256)
def _kinds(fields: tuple[Any, ...]) -> Sequence[type | None]:
    return [_AS_THEY_ARE.get(field.get_internal_type()) if _is_taken_as_set(field) else None for field in fields]


def _is_taken_as_set(field: Any) -> bool:
    if type(field) is models.DateTimeField:
        return not (field.auto_now or field.auto_now_add)
    return type(field).pre_save is models.Field.pre_save


def _converters(using: str, names: Sequence[str], columns: Sequence[Any]) -> Converters:
    """What makes values of what the database answers, by name."""
    return [(names[place], convert) for place, convert in converters(using, columns)]


# As Django encodes them; PostgreSQL, as SQLite, takes the text.
_encode = json.JSONEncoder().encode


def _row(columns: Sequence[str], converters: Converters, values: Sequence[Any]) -> Row:
    row = dict(zip(columns, values, strict=True))
    for column, convert in converters:
        row[column] = convert(row[column])
    return row


@lru_cache(maxsize=32)
def _columns(model: type[Record]) -> Sequence[tuple[str, str, bool]]:
    """(name, attribute, plain) of the columns that a save may write; what is plain can be compared with `==`."""
    return [
        (field.name, field.attname, not isinstance(field, models.JSONField))
        for field in model._meta.concrete_fields
        if not field.primary_key
    ]


@lru_cache(maxsize=32)
def _attributes(model: type[Record]) -> tuple[KeysView[str], Callable[[Mapping[str, Any]], tuple[Any, ...]]]:
    """The attributes of these columns, and what takes all of them from an instance's own."""
    names = dict.fromkeys(attname for _, attname, _ in _columns(model)).keys()
    return names, itemgetter(*names)


@receiver(pre_delete)
def touch_deleted(sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    """A record that goes with another one (a cascade)."""
    work = open_unit(using)
    if work is not None and issubclass(sender, Record):
        work.doomed(sender, [instance.pk])
