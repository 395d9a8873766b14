"""Tell the administrators of deliveries that ended as Failure, where their webhook notifies on failure (LS-A9, LS-A10).

The first one of a webhook and cause is told at once, and then, at most once an hour, how many there were; a success
after that is told once. The counts are kept in the transaction that ends the deliveries: neither is there without the
other. What is owed when the hour is over, and no failure comes to tell of it, the sweep asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.db import transaction
from django.utils import timezone

from webhooks.models import Alarm, Cause, Delivery, Health, State, Told, Webhook
from webhooks.outbound import notify

JOB = "webhooks.tell_of_failures"
APART = timedelta(hours=1)


class Tried(Protocol):
    """What is read of a try."""

    @property
    def at(self) -> datetime: ...
    @property
    def delivery_id(self) -> int: ...
    @property
    def success(self) -> bool: ...
    @property
    def final(self) -> bool: ...
    @property
    def cause(self) -> str: ...
    @property
    def detail(self) -> str: ...


def record(webhook: Webhook, tries: Sequence[Tried]) -> None:
    """Count what ended as Failure, in the order of the tries. In an open transaction that has locked the webhook."""
    if not webhook.notify_on_failure:
        return
    ended: dict[str, list[Tried]] = {}
    for one in tries:
        if one.success:
            _count(webhook, ended)
            ended = {}
            _recover(webhook, one)
        elif one.final:
            ended.setdefault(one.cause, []).append(one)
    _count(webhook, ended)


def unsent(failures: Mapping[int, Sequence[tuple[int, str]]]) -> None:
    """Tell of deliveries that ended without a try: {webhook: [(delivery, why)]}. After the commit that ended them.

    A process that is killed between the two has told nobody: they stand in the history.
    """

    def tell() -> None:
        for webhook_id, ones in sorted(failures.items()):
            with transaction.atomic():
                webhook = Webhook.objects.select_for_update(no_key=True).filter(pk=webhook_id).first()
                if webhook is not None and webhook.notify_on_failure:
                    now = timezone.now()
                    alarm = _alarm(webhook, Cause.OTHER)
                    _add(webhook, alarm, [pk for pk, _ in ones], now, ones[-1][1])

    if failures:
        transaction.on_commit(tell, robust=True)


def owed() -> Sequence[tuple[int]]:
    """The ids of alarms whose hour is over, and that have failures to tell."""
    due = Alarm.objects.filter(failures__gt=0, told_at__lte=timezone.now() - APART)
    return [(pk,) for pk in due.order_by("pk").values_list("pk", flat=True)]


def remind(alarm_id: int) -> None:
    """Tell what has come together within the hour, unless somebody has told it meanwhile."""
    with transaction.atomic():
        # The webhook first, as everywhere.
        webhook = Webhook.objects.select_for_update(no_key=True).filter(alarms=alarm_id).first()
        due = Alarm.objects.filter(pk=alarm_id, failures__gt=0, told_at__lte=timezone.now() - APART)
        alarm = due.select_for_update(of=("self",)).select_related("delivery").first()
        if webhook is None or alarm is None:
            return
        if not webhook.notify_on_failure:
            alarm.failures, alarm.since = 0, None
        else:
            failing = Health.objects.filter(pk=webhook.pk, failures__gt=0).exists()
            _tell(webhook, alarm, alarm.delivery.error if alarm.delivery else "", failing)
        alarm.save()


def _count(webhook: Webhook, ended: Mapping[str, Sequence[Tried]]) -> None:
    for cause, ones in ended.items():
        _add(webhook, _alarm(webhook, cause), [one.delivery_id for one in ones], ones[0].at, ones[-1].detail)


def _alarm(webhook: Webhook, cause: str) -> Alarm:
    return Alarm.objects.select_for_update().get_or_create(webhook=webhook, cause=cause)[0]


def _add(webhook: Webhook, alarm: Alarm, ended: Sequence[int], since: datetime, detail: str) -> None:
    """ended: ids of deliveries; those that were sent together with them have ended as well."""
    others = Delivery.objects.filter(sent_with__in=ended).exclude(pk__in=ended).count()
    alarm.failures += len(ended) + others
    alarm.since = alarm.since or since
    alarm.delivery_id = ended[-1]
    if alarm.told_at is None or alarm.told_at <= timezone.now() - APART:
        _tell(webhook, alarm, detail, failing=True)
    alarm.save()


def _tell(webhook: Webhook, alarm: Alarm, detail: str, failing: bool) -> None:
    why = f"{detail.rstrip('.') or alarm.get_cause_display()}."
    if alarm.failures == 1 and alarm.told_at is None:
        text = why
    else:
        since = f" since {alarm.since.astimezone(UTC):%-d %b, %H:%M} UTC" if alarm.since else ""
        deliveries = "1 delivery" if alarm.failures == 1 else f"{alarm.failures:,} deliveries"
        now = "" if failing else " Others have succeeded by now."
        text = f"{deliveries} ended as Failure{since}.{now} {why}"
    notify.tell(webhook, text, alarm.delivery_id, Told.FAILED)
    alarm.failures, alarm.since, alarm.told_at, alarm.raised = 0, None, timezone.now(), failing


def _recover(webhook: Webhook, one: Tried) -> None:
    raised = Alarm.objects.select_for_update().filter(webhook=webhook, raised=True).order_by("pk")
    alarms = list(raised)
    if not alarms:
        return
    more = sum(alarm.failures for alarm in alarms)
    Alarm.objects.filter(pk__in=[alarm.pk for alarm in alarms]).update(raised=False, failures=0, since=None)
    if webhook.state == State.PAUSED:
        return  # nothing is sent: whoever resumes it, leadcrm included, says so
    text = "A delivery succeeded."
    if more:
        text += f" {'1 more' if more == 1 else f'{more:,} more'} had ended as Failure before."
    notify.tell(webhook, text, one.delivery_id, Told.RECOVERED)


def by_webhook(ended: Iterable[tuple[int | None, int, str]]) -> dict[int, list[tuple[int, str]]]:
    """(webhook, delivery, why) as `unsent` takes them; those of a webhook that is gone are left out."""
    found: dict[int, list[tuple[int, str]]] = {}
    for webhook_id, delivery_id, why in ended:
        if webhook_id is not None:
            found.setdefault(webhook_id, []).append((delivery_id, why))
    return found
