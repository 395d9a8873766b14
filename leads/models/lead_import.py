"""A file of leads that somebody brings in: what it says, how it is to be read, and how far the worker has come."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

from django.db import models
from django.utils import timezone

from leads.models.account import Account
from leads.models.intake_policy import IntakePolicy
from leads.models.office import Office
from leads.models.pipeline import Pipeline
from leads.models.user import User


class ImportState(models.TextChoices):
    DRAFT = "draft", "Being set up"
    CHECKING = "checking", "Being checked"
    CHECKED = "checked", "Checked"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Stopped"


AT_WORK = (ImportState.CHECKING, ImportState.RUNNING)
OPEN = (ImportState.DRAFT, ImportState.CHECKED)


class LeadImport(IntakePolicy):
    """Its counts are of the check, and once it runs of the run; `done` rows of the file are behind them."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="imports")
    # By whose rights and offices leads are brought in.
    started_by = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="+", null=True)
    name = models.CharField("file", max_length=200)
    header = models.JSONField(default=list)
    # What was taken for granted while the file was read, as sentences.
    notes = models.JSONField(default=list)
    rows = models.PositiveIntegerField(default=0)
    # leads/imports/columns.py
    columns = models.JSONField(default=list)

    source = models.CharField(max_length=255, null=True, blank=True)
    office = models.ForeignKey(Office, on_delete=models.SET_NULL, related_name="+", null=True, blank=True)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.SET_NULL, related_name="+", null=True, blank=True)
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="+", null=True, blank=True)
    lists = models.JSONField(default=list)
    tags = models.JSONField(default=list)

    state = models.CharField(max_length=10, choices=ImportState, default=ImportState.DRAFT)
    # Why it was stopped, as a sentence.
    reason = models.CharField(max_length=300, blank=True)
    done = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    # "E-mail must be ..." -> how many rows say so.
    faults = models.JSONField(default=dict)
    # Since when a worker has had it in hand; NULL: it waits for one.
    held_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        # Who may import leads may do all of it; see Lead.
        default_permissions = ()
        verbose_name = "import"
        indexes = [
            models.Index(fields=["state"], name="import_at_work", condition=models.Q(state__in=("checking", "running")))
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def at_work(self) -> bool:
        return self.state in AT_WORK

    @property
    def is_open(self) -> bool:
        """It can still be set up."""
        return self.state in OPEN


class ImportPart(models.Model):
    """Some of the rows, as they came; they go when the import has ended."""

    of = models.ForeignKey(LeadImport, on_delete=models.CASCADE, related_name="parts")
    # From 0 on.
    place = models.PositiveIntegerField()
    # [[number, [cells]], ...] as JSON, compressed.
    content = models.BinaryField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["of", "place"], name="import_part_once")]

    def __str__(self) -> str:
        return f"Part {self.place} of import {self.of_id}"

    @staticmethod
    def packed(rows: Sequence[tuple[int, list[str]]]) -> bytes:
        return zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(), 1)

    def unpacked(self) -> list[tuple[int, list[str]]]:
        return [(number, cells) for number, cells in json.loads(zlib.decompress(bytes(self.content)))]


class ImportRefusal(models.Model):
    """A row that made no lead: as it came, and what is wrong with it."""

    of = models.ForeignKey(LeadImport, on_delete=models.CASCADE, related_name="refusals")
    number = models.PositiveIntegerField()
    # The cells as JSON: texts of the file may hold what a database takes for no text.
    cells = models.BinaryField()
    # Sentences.
    faults = models.JSONField()

    class Meta:
        default_permissions = ()
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Row {self.number} of import {self.of_id}"

    @classmethod
    def made(cls, of_id: int, number: int, cells: list[str], faults: list[str]) -> Any:
        return cls(of_id=of_id, number=number, cells=json.dumps(cells).encode(), faults=faults)

    @property
    def row(self) -> list[str]:
        cells: list[str] = json.loads(bytes(self.cells))
        return cells
