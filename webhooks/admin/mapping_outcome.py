"""What a mapping that is not stored yet would make of a sample: row by row, and as a lead."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import Truncator

from leads import intake
from leads import setup as setups
from leads.admin.base import scope_of
from leads.admin.words import words
from leads.fields import BY_KEY, FIELDS, Field
from leads.models import Lead
from leads.setup import Setup
from webhooks.admin.mapping_rows import Draft, judged
from webhooks.inbound import process, rules, translate
from webhooks.inbound.suggest import Suggestion, suggestions
from webhooks.inbound.tree import Node, Tree, reader, unmapped
from webhooks.models import InboundWebhook
from webhooks.wire import mapping
from webhooks.wire.mapping import Row

MOST_UNMAPPED: Final = 20
# Made by us, or said by a name beside it.
_UNSHOWN: Final = frozenset(
    {"id", "account_id", "account_name", "created_at", "modified_date", "custom_fields"} | set(intake.NAMED.values())
)


@dataclass(frozen=True, slots=True)
class Part:
    """One field of the lead that would result. before: "" where it is new, or the same."""

    label: str
    value: str
    before: str = ""
    changes: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that is wrong."""

    path: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """state: created, updated, refused, ignored, or "" while there is nothing to be told of."""

    state: str = ""
    badge: tuple[str, str] = ("disabled", "No preview")
    words: str = ""
    lead: tuple[str, str] = ("", "")
    """Name and address of the one that is there, where it may be seen."""
    parts: Sequence[Part] = ()
    told: Sequence[Told] = ()
    unmapped: Sequence[Node] = ()
    more_unmapped: int = 0
    warning: str = ""
    rows: Sequence[Row] = ()
    drafts: Sequence[tuple[Draft, str]] = ()
    """Each with what comes of it."""
    suggestions: Sequence[Suggestion] = ()
    marks: Sequence[tuple[str, str]] = ()
    """The exact path of each value that is read, and the field that it fills."""


def outcome(
    request: HttpRequest,
    inbound: InboundWebhook,
    drafts: Sequence[Draft],
    document: Any,
    tree: Tree | None,
    *,
    shows: bool,
    records: Sequence[Row] = (),
) -> Outcome:
    """Nothing is stored.

    inbound  as it would be stored, but for its mapping
    document, tree  None where there is no sample
    shows    whether values of the sample and of leads may be shown
    records  rows of a preset that name records of the account, for somebody to choose who knows that they are there
    """
    setup = setups.of(inbound.account_id)
    targets, kinds = translate.targets(setup), translate.kinds(setup)
    rows, told = judged(drafts, targets, kinds, setup)
    trial = copy.copy(inbound)
    trial.mapping = mapping.write(rows)
    found = Outcome(rows=rows, drafts=[(draft, "") for draft in told], warning=_warning(trial, setup))
    if tree is None:
        return found
    places = reader(document)
    read = {place: row for row in rows if row.path for place in places(row.path)}
    found = replace(
        found,
        suggestions=suggestions(tree, rows, read, targets, kinds, inbound.match, by_value=shows)
        + _of_records(records, rows, targets),
        marks=_marks(tree, read, targets),
        **_unmapped(tree, read),
    )
    if not rows:
        return replace(found, words="Map at least one field.")
    mapped = translate.translate(trial, document)
    wrong = {fault.field: f"This {fault.message}." for fault in mapped.faults}
    told = [draft if draft.fault else replace(draft, fault=wrong.get(draft.field, "")) for draft in told]
    found = replace(found, drafts=[(draft, _came(draft, mapped.values, shows)) for draft in told])
    rehearsed = process.rehearse(trial, document)
    if rehearsed.faults:
        faults = [_told(one, targets) for one in rehearsed.faults]
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        found = replace(found, state="refused", badge=("failure", "Refused"), told=faults)
        words_of = f"This sample would be answered 422, with {count}. Nothing would be stored."
    elif rehearsed.action == "created":
        found = replace(found, state="created", badge=("success", "New lead"))
        words_of = "This sample would make a new lead."
    else:
        found = replace(found, state="updated", badge=("success", "Update"))
        words_of = "This sample would update a lead that is there."
    if rehearsed.lead:
        found = replace(found, **_lead(request, trial, rehearsed, mapped.values, targets, shows))
    if not translate.is_wanted(trial, document):
        found = replace(found, state="ignored", badge=("held", "Ignored"))
        words_of = f"This sample would be ignored: the webhook takes only what fits its condition at {trial.only_path}."
    return replace(found, words=words_of)


def _warning(inbound: InboundWebhook, setup: Setup) -> str:
    key = rules.unmapped(inbound)
    label = rules.label_of(key, setup)
    return f"{label} is not mapped, and leads are recognised by it: each post makes another lead." if key else ""


def _marks(tree: Tree, read: Mapping[str, Row], targets: Mapping[str, Field]) -> list[tuple[str, str]]:
    """Of single values; of an array that is read as a whole, of the array alone."""
    marks: list[tuple[str, str]] = []
    for node in tree.nodes:
        row = read.get(f"{node.exact}/0" if node.kind == "texts" else node.exact)
        whole = bool(marks) and node.exact.startswith(f"{marks[-1][0]}/")
        if row is not None and not whole and (node.kind != "texts" or not row.path.endswith("/0")):
            marks.append((node.exact, targets[row.field].label))
    return marks


def _unmapped(tree: Tree, read: Collection[str]) -> dict[str, Any]:
    left = unmapped(tree, read)
    return {"unmapped": left[:MOST_UNMAPPED], "more_unmapped": max(0, len(left) - MOST_UNMAPPED)}


def _of_records(records: Sequence[Row], rows: Sequence[Row], targets: Mapping[str, Field]) -> list[Suggestion]:
    taken = {row.field for row in rows}
    return [
        Suggestion(row, targets[row.field].label, "must name one that the account has", wary=True)
        for row in records
        if row.field in targets and row.field not in taken
    ]


def _came(draft: Draft, values: Mapping[str, Any], shows: bool) -> str:
    """What a row makes of the sample, below its inputs."""
    if draft.fault:
        return ""
    if draft.field not in values:
        return "Nothing stands there in this sample."
    if not shows and draft.source == "path":
        return "Has a value" if values[draft.field] is not None else "Empty"
    try:
        return words(draft.field, values[draft.field])
    except (ValueError, TypeError, OverflowError):
        # Not a value of this kind: the rules say so in the preview.
        return Truncator(str(values[draft.field])).chars(200)


def _told(one: Mapping[str, Any], targets: Mapping[str, Field]) -> Told:
    key = str(one["field"])
    label = targets[key].label if key in targets else BY_KEY[key].label if key in BY_KEY else key.capitalize()
    return Told(str(one["path"]), str(one["rule"]), f"{label} {one['message']}.".strip())


def _lead(
    request: HttpRequest,
    inbound: InboundWebhook,
    rehearsed: process.Rehearsed,
    given: Mapping[str, Any],
    targets: Mapping[str, Field],
    shows: bool,
) -> dict[str, Any]:
    """Its parts and, where it is there already and may be seen, which one it is."""
    after = _flat(rehearsed.lead)
    blank = _flat(Lead(account_id=inbound.account_id).values())
    if rehearsed.action == "created":
        kept = [key for key, value in after.items() if value != blank.get(key)]
        # What was mapped, then what follows from it and from the webhook.
        kept.sort(key=lambda key: key not in given)
        return {"parts": [_part(key, after[key], None, targets, shows) for key in kept]}
    visible = scope_of(request).leads() if request.user.has_perm("leads.view_lead") else Lead.objects.none()
    lead = visible.filter(account_id=inbound.account_id, pk=rehearsed.lead["id"]).first()
    if lead is None:
        kept = [key for key in after if key in given]
        return {"parts": [_part(key, after[key], None, targets, shows) for key in kept]}
    before = _flat(lead.values())
    parts = [
        _part(key, value, before.get(key, blank.get(key)), targets, shows, changes=value != before.get(key))
        for key, value in after.items()
        if key in given or value != before.get(key)
    ]
    return {"parts": parts, "lead": (str(lead), reverse("admin:leads_lead_change", args=[lead.pk]))}


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """By key, those of custom fields as custom_fields.<key>; what says nothing by itself is left out."""
    flat = {field.key: values[field.key] for field in FIELDS if field.key not in _UNSHOWN}
    own = values.get("custom_fields") or {}
    return flat | {f"{intake.CUSTOM}{key}": value for key, value in own.items()}


def _part(key: str, value: Any, before: Any, targets: Mapping[str, Field], shows: bool, changes: bool = False) -> Part:
    label = targets[key].label if key in targets else BY_KEY[key].label if key in BY_KEY else key
    if not shows:
        return Part(label, "")
    return Part(label, words(key, value), words(key, before) if changes else "", changes)
