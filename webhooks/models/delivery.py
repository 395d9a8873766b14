"""One row of Webhook History, the exchanges it took, and the bytes it sends."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from leads.models import Account
from leads.models.account_setup import lock
from webhooks import dialects
from webhooks.models.event import Event
from webhooks.models.webhook import Webhook


class Status(models.TextChoices):
    QUEUED = "queued", "In Queue"
    # Waits for the others of its minute, or, together with them, for the one that `Delivery.sent_with` names.
    GROUPED = "grouped", "Grouped"
    SENDING = "sending", "Sending"
    SUCCESS = "success", "Success"
    FAILURE = "failure", "Failure"
    HELD = "held", "Held"
    CANCELLED = "cancelled", "Cancelled"


WAITING = (Status.QUEUED, Status.SENDING, Status.GROUPED)
UNSENT = (Status.QUEUED, Status.GROUPED, Status.HELD)
# How it ends is not known yet.
OPEN = (*WAITING, Status.HELD)
FINISHED = (Status.SUCCESS, Status.FAILURE, Status.CANCELLED)


# For `status__lower`, see `is_now`.
models.CharField.register_lookup(Lower)


def is_now(status: Status) -> str:
    """SQL of the condition that a delivery is queued, grouped or being sent, in the words of the index of these alone.

    The words choose the index, whatever PostgreSQL has counted: after a quiet time it takes all indexes of what waits
    for empty, and any of them for as good. What waits would then be read whole for each webhook that has some of it.
    """
    return f"lower(status) = '{status}'"


class Lane(models.IntegerChoices):
    """Who leaves first: first tries, then the tries after them, then bulk work (replays, imports)."""

    LIVE = 0
    RETRY = 1
    BULK = 2


class Delivery(models.Model):
    # These three are not asked for again at COMMIT, row by row: they are read from rows that have them, in one
    # statement with the INSERT. Event and account stay for good; a webhook is locked there, and by whoever deletes it.
    event = models.ForeignKey(
        Event, on_delete=models.PROTECT, related_name="deliveries", null=True, db_constraint=False
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    webhook = models.ForeignKey(
        Webhook, on_delete=models.SET_NULL, related_name="deliveries", null=True, db_index=False, db_constraint=False
    )
    webhook_name = models.CharField(max_length=100)
    dialect = models.CharField(max_length=20, choices=dialects.choices)
    # The event's name in the dialect's own words.
    sent_as = models.CharField(max_length=50)
    # The wire's webhook-id: one per event and webhook, the same on every try and every replay as sent. Deliveries that
    # are sent together have that of their first.
    message_id = models.CharField(max_length=60)
    # Of what is sent together, the first: it is claimed, tried and settled for all of them, and names itself.
    sent_with = models.ForeignKey(
        "self", on_delete=models.SET_NULL, related_name="together", null=True, db_index=False, db_constraint=False
    )
    # The first delivery of the same bytes, also when a replay is replayed.
    replay_of = models.ForeignKey("self", on_delete=models.SET_NULL, related_name="replays", null=True, db_index=False)
    test = models.BooleanField(default=False)
    # Who posts it: "" where the webhook itself heard the event, else a Kind of automation, and its id.
    posted_by = models.CharField(max_length=10, blank=True, default="", db_default="")
    posted_by_id = models.BigIntegerField(null=True)
    lane = models.PositiveSmallIntegerField(choices=Lane.choices, default=Lane.LIVE)
    created_at = models.DateTimeField(default=timezone.now)

    # Deliveries of a webhook with one key leave one at a time, oldest first: "lead/123"; null where order is not kept.
    order_key = models.CharField(max_length=60, null=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    due_at = models.DateTimeField(default=timezone.now)
    # A claim: until when it holds, and which one it is. Every later step has `fence = mine` in its WHERE.
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    # Exchanges with a result, and claims that ended without anybody telling how.
    tries = models.PositiveSmallIntegerField(default=0)
    lost = models.PositiveSmallIntegerField(default=0)
    # The latest try, copied for the list.
    code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=255, blank=True)
    duration_ms = models.PositiveIntegerField(null=True)
    transmitted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "Webhook History"
        permissions = [("replay_delivery", "Can replay delivery"), ("cancel_delivery", "Can cancel delivery")]
        indexes = [
            models.Index(fields=["account", "-id"], name="delivery_account"),
            # All others are found by their event, see `of_message`.
            models.Index(fields=["message_id"], name="delivery_test_message", condition=Q(event__isnull=True)),
            # Partial, so that claims cost the same however long the history is, and saves do not pay for it.
            models.Index(
                fields=["webhook", "lane", "due_at", "id"], name="delivery_due", condition=Q(status__lower="queued")
            ),
            models.Index(
                fields=["webhook", "order_key", "id"],
                name="delivery_order",
                condition=Q(order_key__isnull=False, status__in=["queued", "sending", "held"]),
            ),
            models.Index(fields=["lease_until"], name="delivery_lease", condition=Q(status__lower="sending")),
            # What waits to be sent together, and what is.
            models.Index(
                fields=["webhook", "due_at", "id"],
                name="delivery_gather",
                condition=Q(status__lower="grouped", sent_with__isnull=True),
            ),
            models.Index(fields=["sent_with"], name="delivery_together", condition=Q(sent_with__isnull=False)),
            # What is rare is listed by these, newest first; account and webhook are in them so that the rows of others
            # need not be read.
            models.Index(
                fields=["-id", "account", "webhook"],
                name="delivery_waiting",
                condition=Q(status__in=["queued", "sending", "grouped"]),
            ),
            models.Index(fields=["-id", "account", "webhook"], name="delivery_holding", condition=Q(status="held")),
            models.Index(fields=["-id", "account", "webhook"], name="delivery_failure", condition=Q(status="failure")),
            models.Index(
                fields=["-id", "account", "webhook"], name="delivery_cancelled", condition=Q(status="cancelled")
            ),
            models.Index(fields=["webhook", "id"], name="delivery_held", condition=Q(status="held")),
            models.Index(
                fields=["webhook", "-id"],
                name="delivery_finished",
                condition=Q(status__in=["success", "failure", "cancelled"]),
            ),
            models.Index(fields=["replay_of"], name="delivery_replay", condition=Q(replay_of__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.sent_as} to {self.webhook_name}"

    @classmethod
    def of_message(cls, message_id: str) -> models.QuerySet[Delivery]:
        """The deliveries under a webhook-id, replays included. It has the event's uid in it, or is that of a test.

        Of deliveries that were sent together, the first.
        """
        uid = message_id.removeprefix("msg_").partition("_")[0]
        event_id = Event.objects.filter(uid=uid).values_list("pk", flat=True).first()
        return cls.objects.filter(Q(event=event_id) if event_id else Q(event__isnull=True), message_id=message_id)

    @property
    def post_id(self) -> int:
        """The delivery that is tried for this one: itself, or the first of those that are sent with it."""
        return self.sent_with_id or self.pk


@receiver(pre_delete, sender=Webhook)
def lock_deleted(sender: type[Webhook], instance: Webhook, using: str, **kwargs: Any) -> None:
    """Wait for the transactions that add deliveries of a webhook, and let no more begin, before these forget it."""
    lock([instance.account_id], using)
    Webhook.objects.using(using).select_for_update().filter(pk=instance.pk).first()


class Body(models.Model):
    """The bytes of a delivery: rendered once, sent on every try and, as sent, by every replay of it."""

    # Not asked for again at COMMIT either, here and below: it was claimed, and no delivery is ever deleted.
    delivery = models.OneToOneField(
        Delivery, on_delete=models.CASCADE, primary_key=True, related_name="body", db_constraint=False
    )
    content = models.BinaryField()


class Outcome(models.TextChoices):
    """How an exchange ended. Only the first two use up a try."""

    ANSWERED = "answered", "Answered"
    FAILED = "failed", "No answer"
    INTERRUPTED = "interrupted", "Interrupted"
    LOST = "lost", "Outcome unknown"


class Attempt(models.Model):
    """One HTTP exchange as sent and received. Custom header values are masked before they are stored."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts", db_constraint=False)
    # The try that it used, 0 when it used none.
    number = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True)
    method = models.CharField(max_length=10, blank=True)
    url = models.CharField(max_length=2000, blank=True)
    # JSON text, [[name, value], ...].
    request_headers = models.TextField(default="[]")
    code = models.PositiveSmallIntegerField(null=True)
    reason = models.CharField(max_length=255, blank=True)
    response_headers = models.TextField(default="[]")
    # As text; bytes that are no text are written \\xNN.
    response_body = models.TextField(default="")
    # Bytes received in all; more than what is kept when the body was cut.
    response_size = models.PositiveIntegerField(default=0)
    # wire.exchange.FailureKind, and the sentence that staff read.
    failure = models.CharField(max_length=20, blank=True)
    error = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-id"]
