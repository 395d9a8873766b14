"""What a rule posts leaves like any other delivery, and says who posted it."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from leads.models import Activity, ActivityType, Lead
from tests import factories
from tests.receiver import Receiver
from tests.webhooks.automation.rules import automation, rule, work
from webhooks.models import Delivery, Event, Status
from webhooks.outbound import deliver, replay
from webhooks.outbound.selection import Selection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


def send():
    deliver.run(stop=lambda: None, linger=0.0, patience=0.0)


def posted(receiver: Receiver):
    """(entityType, entityId, eventType, webhook-id) of each request, in the order of the webhook-ids."""
    found = []
    for request in receiver.received:
        query = dict(parse_qsl(urlsplit(request.target).query))
        found.append((query["entityType"], query["entityId"], query["eventType"], request.header("webhook-id")))
    return sorted(found, key=lambda each: (len(each[3]), each[3]))


def test_the_url_names_the_rule_or_automation_and_a_replay_does_so_again(receiver: Receiver):
    webhook = factories.webhook(f"{receiver.url}/in", dialect="leadsquared", events=["Lead_Post_Create"])
    one = rule("lead.created", {"do": "post_to_webhook", "webhook": webhook.pk})
    two = automation("lead.created", {"do": "post_to_webhook", "webhook": webhook.pk})
    factories.lead()
    work()
    send()
    deliveries = list(Delivery.objects.order_by("pk"))
    assert [each.status for each in deliveries] == [Status.SUCCESS] * 3
    assert len({each.message_id for each in deliveries}) == 3
    expected = [
        ("webhook", str(webhook.pk), "Lead_Post_Create", deliveries[0].message_id),
        ("rule", str(one.pk), "Lead_Post_Create", deliveries[1].message_id),
        ("automation", str(two.pk), "Lead_Post_Create", deliveries[2].message_id),
    ]
    assert posted(receiver) == expected
    assert len({request.body for request in receiver.received}) == 1
    assert json.loads(receiver.received[0].body)["EmailAddress"] == "olivia.hartley@example.com"
    selection = Selection(through=replay.newest(), ids=(deliveries[1].pk,))
    replay.carry_out(selection, again=True, expected=1, user_id=None)
    send()
    again = Delivery.objects.latest("pk")
    assert (again.status, again.posted_by, again.posted_by_id) == (Status.SUCCESS, "rule", one.pk)
    assert posted(receiver).count(expected[1]) == 2


def test_the_webhooks_delay_counts_from_the_event():
    webhook = factories.webhook(dialect="standard", events=["lead.deleted"], execution_delay=600)
    rule("lead.created", {"do": "post_to_webhook", "webhook": webhook.pk})
    factories.lead()
    work()
    first = Delivery.objects.get()
    assert first.due_at == first.event.occurred_at + timedelta(seconds=600)
    Event.objects.update(occurred_at=timezone.now() - timedelta(days=1))
    automation("lead.updated", {"do": "post_to_webhook", "webhook": webhook.pk})
    lead = Lead.objects.get()
    lead.source = "x"
    lead.save()
    Event.objects.update(occurred_at=timezone.now() - timedelta(days=1))
    work()
    assert Delivery.objects.latest("pk").due_at <= timezone.now()


def test_what_a_system_groups_leaves_alone_as_an_array_of_one(receiver: Receiver):
    webhook = factories.webhook(receiver.url, dialect="leadsquared", events=["LeadActivity_Post_Create"])
    one = rule("activity.created", {"do": "post_to_webhook", "webhook": webhook.pk})
    lead = factories.lead()
    Activity.objects.create(lead=lead, type=ActivityType.objects.get(account=lead.account, code=21))
    work()
    send()
    (request,) = receiver.received
    assert f"entityType=rule&entityId={one.pk}&eventType=LeadActivity_Post_Create" in request.target
    assert len(json.loads(request.body)) == 1


def test_it_is_queued_whatever_the_webhook_subscribes_to_and_filters(receiver: Receiver):
    webhook = factories.webhook(
        receiver.url, events=["lead.updated"], filters=[{"field": "source", "op": "is", "value": "nowhere"}]
    )
    rule("lead.created", {"do": "post_to_webhook", "webhook": webhook.pk})
    factories.lead()
    work()
    send()
    assert [request.header("webhook-hops") for request in receiver.received] == ["0"]


def test_a_webhook_that_a_rule_posts_to_is_kept(receiver):
    webhook = factories.webhook(receiver.url)
    posting = rule("lead.created", {"do": "post_to_webhook", "webhook": webhook.pk}, name="Tell the other office")
    with pytest.raises(ValidationError, match="used by the rule Tell the other office"):
        webhook.delete()
    posting.delete()
    webhook.delete()
