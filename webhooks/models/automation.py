"""Rules and automations: what is done when an event comes, and what came of it each time."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from leads.models import Account
from leads.models.account_setup import AccountSetup
from webhooks.models.event import Event
from webhooks.wire import filter as contents


class AutomationKind(models.TextChoices):
    """A rule is one list of actions, done at once; an automation has waits between them."""

    RULE = "rule", "Rule"
    AUTOMATION = "automation", "Automation"


class Automation(AccountSetup):
    """When this event comes and all conditions hold, do this. Each write renews its account's token."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="automations")
    kind = models.CharField(max_length=10, choices=AutomationKind.choices, default=AutomationKind.RULE)
    name = models.CharField(max_length=100)
    is_active = models.BooleanField("on", default=True)
    # One of leads.events.EVENTS.
    event = models.CharField(max_length=50)
    # As webhooks.wire.filter writes them. All must hold; none: every event of this type.
    conditions = models.JSONField(default=list, blank=True)
    # As webhooks/automation/steps.py reads them.
    steps = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "rule"
        verbose_name_plural = "rules and automations"
        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["account", "event"], name="automation_listening", condition=Q(is_active=True)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def read_conditions(self) -> tuple[contents.Condition, ...]:
        """ValueError for what no list of conditions looks like."""
        return contents.read(self.conditions)


class Tally(models.Model):
    """How often an automation came to what, and whose turn it is: written by the worker, so kept apart from it."""

    automation = models.OneToOneField(Automation, on_delete=models.CASCADE, primary_key=True, related_name="tally")
    done = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    stopped = models.PositiveBigIntegerField(default=0)
    # Events of its type whose conditions did not hold: nothing else is kept of them.
    unmet = models.PositiveBigIntegerField(default=0)
    last_run_at = models.DateTimeField(null=True)
    # {id of an office, or "": id of the person whose turn it was}, of the leads that are given out in turn.
    turns = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"tally of rule {self.automation_id}"

    @classmethod
    def locked(cls, automation_id: int) -> Tally:
        """In a transaction; made where it is not there yet."""
        cls.objects.get_or_create(automation_id=automation_id)
        return cls.objects.select_for_update().get(pk=automation_id)


class RunState(models.TextChoices):
    NEW = "new", "New"
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Stopped"


RUNNING = (RunState.NEW, RunState.WAITING)


class Run(models.Model):
    """An automation that heard one event. New: its conditions are still to be asked; waiting: a step is due at due_at.

    It outlives its automation and its record: their names are copies.
    """

    automation = models.ForeignKey(
        Automation, on_delete=models.SET_NULL, related_name="runs", null=True, db_index=False, db_constraint=False
    )
    kind = models.CharField(max_length=10, choices=AutomationKind.choices)
    name = models.CharField(max_length=100)
    # Read from rows that have them, in one statement with the INSERT, as a delivery's are.
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="runs", db_constraint=False)
    # Runs of one record go on one after the other: "lead/123".
    record = models.CharField(max_length=60)
    # The lead that the event is of, or that its record belongs to.
    lead_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.NEW)
    # What is left to do begins with this step; the steps are those of the moment when the conditions held.
    step = models.PositiveSmallIntegerField(default=0)
    steps = models.JSONField(default=list)
    due_at = models.DateTimeField(default=timezone.now)
    # [{"at": ..., "text": what was done}, ...]
    log = models.JSONField(default=list)
    # Why it failed or was stopped.
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="run_new", condition=Q(state="new")),
            models.Index(fields=["due_at", "id"], name="run_due", condition=Q(state="waiting")),
            models.Index(fields=["record", "id"], name="run_in_order", condition=Q(state__in=["new", "waiting"])),
            models.Index(fields=["automation", "-id"], name="run_of_automation"),
            models.Index(fields=["lead_id", "-id"], name="run_of_lead", condition=Q(lead_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.record}"

    def told(self, text: str) -> None:
        """Write down what was done."""
        self.log = [*self.log, {"at": timezone.now().isoformat(timespec="milliseconds"), "text": text}]

    @property
    def texts(self) -> list[str]:
        return [entry["text"] for entry in self.log]


class RunMail(models.Model):
    """A mail that a run sends: stored together with its step, sent afterwards. A killed worker may send it twice."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="mails")
    to = models.CharField(max_length=254)
    subject = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    # Somebody is sending it until then.
    taken_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=255, blank=True)

    class Meta:
        indexes = [models.Index(fields=["id"], name="run_mail_owed", condition=Q(sent_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"


class Runner(models.Model):
    """Which task of the worker goes on with runs: one at a time, so that many due runs do not fill its pool."""

    THE_ONE = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=THE_ONE)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"runs are gone on with until {self.until:%Y-%m-%d %H:%M:%S}"
