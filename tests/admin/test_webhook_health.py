"""What the pages of webhooks say of pauses and failures, from real rows."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests import factories
from tests.admin.deliveries import failed, made, put
from tests.admin.page import Page
from tests.admin.webhook_form import url
from webhooks.models import Delivery, Health, State, Status, Webhook
from webhooks.outbound import switch

GONE = "The receiver answered 410 Gone: it wants nothing more."


@pytest.fixture
def webhook(crm: Any) -> Webhook:
    return factories.webhook(account=crm.account)


@pytest.fixture
def manager(crm: Any, sign_in: Any) -> Client:
    return sign_in(crm.manager)


def alert(client: Client, webhook: Webhook) -> str:
    """The alert of the webhook's page as text, '' where there is none."""
    content = client.get(url("change", webhook.pk)).content.decode()
    head = content[content.index('id="webhook-condition"') : content.index('id="webhook-preview"')]
    found = re.search(r'class="lc-alert (\w+) [^>]*>\s*<p>(.*?)</p>', head, re.DOTALL)
    return f"{found[1]}: {text(found[2])}" if found else ""


def text(markup: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]*>", "", markup).split()))


def state(client: Client) -> str:
    """The State cell of the only webhook in the list."""
    content = client.get(url("changelist")).content.decode()
    found = re.search(r"field-shown_state[^>]*>(.*?)</td>", content, re.DOTALL)
    assert found
    return text(found[1])


def health(webhook: Webhook, **values: Any) -> Health:
    return Health.objects.update_or_create(webhook=webhook, defaults=values)[0]


def ago(**length: float) -> Any:
    return timezone.now() - timedelta(**length)


def test_a_webhook_that_is_well_says_nothing(manager, webhook):
    assert (alert(manager, webhook), state(manager)) == ("", "Enabled")
    health(webhook, failures=0)
    assert (alert(manager, webhook), state(manager)) == ("", "Enabled")
    # Four failed tries in a row may be an accident.
    health(webhook, failures=4, failing_since=ago(hours=1))
    assert (alert(manager, webhook), state(manager)) == ("", "Enabled")


def test_a_pause_by_policy_says_why_since_when_and_what_is_held(crm, manager, webhook):
    delivery = failed(made(crm.leeds, webhook), 410)
    made(crm.leeds, webhook)
    switch.pause_by_policy(webhook.pk, GONE, delivery.pk)
    Webhook.objects.update(state_since=ago(hours=2.5))
    says = (
        f"held: Paused by leadcrm 2 h ago. {GONE} 1 delivery is held, and so are new ones. Resume it when the receiver"
    )
    assert alert(manager, webhook) == f"{says} is ready."
    assert state(manager) == f"Paused2 h ago · {GONE}"
    links = Page(manager.get(url("change", webhook.pk))).links
    assert f"/admin/webhooks/delivery/{delivery.pk}/change/" in links
    assert f"/admin/webhooks/delivery/?webhook={webhook.pk}&status=held" in links
    assert f"It was paused because: {GONE}" in Page(manager.get(url("resume", webhook.pk))).text


def test_a_pause_by_staff_says_so(manager, webhook):
    switch.pause(webhook.pk)
    Webhook.objects.update(state_since=ago(minutes=5.5))
    assert alert(manager, webhook) == "held: Paused by staff 5 min ago. New deliveries are held."
    assert state(manager) == "Paused5 min ago · Paused by staff"
    assert "It was paused because" not in Page(manager.get(url("resume", webhook.pk))).text


def test_the_reason_of_an_earlier_pause_is_gone_after_resuming(crm, manager, webhook):
    switch.pause_by_policy(webhook.pk, GONE, made(crm.leeds, webhook).pk)
    switch.resume(webhook.pk)
    switch.pause(webhook.pk)
    assert GONE not in alert(manager, webhook) + state(manager)


def test_a_failing_webhook_says_since_when_and_when_it_is_asked_again(crm, manager, webhook):
    later = timezone.now() + timedelta(minutes=40.5)
    health(webhook, failures=12, failing_since=ago(hours=2.5), closed_until=later)
    assert alert(manager, webhook) == (
        "failure: Failing for 2 hours. 12 tries in a row failed. Nothing is sent meanwhile; the next try goes out in "
        "40 min. If this goes on, it is paused in 5 d."
    )
    assert state(manager) == "Failing2 h ago · 12 tries in a row failed"
    # Its probe is out.
    put(made(crm.leeds, webhook), Status.SENDING)
    assert "One delivery is on its way, to see whether the receiver is back." in alert(manager, webhook)
    Delivery.objects.update(status=Status.QUEUED)
    health(webhook, closed_until=ago(seconds=1))
    assert "The next delivery finds out whether the receiver is back." in alert(manager, webhook)
    # A receiver that answers 404 is there: it is asked as ever.
    health(webhook, closed_until=None)
    assert alert(manager, webhook).startswith("failure: Failing for 2 hours. 12 tries in a row failed. If this")
    switch.pause(webhook.pk)
    assert state(manager).startswith("Paused")


def test_a_receiver_that_asked_for_a_pause_is_not_called_failing(manager, webhook):
    health(webhook, failures=1, failing_since=ago(seconds=9), closed_until=timezone.now() + timedelta(minutes=3.5))
    assert alert(manager, webhook) == (
        "info: Slowed down. The receiver asked for a pause, or could not keep up. "
        "Nothing is sent meanwhile; the next try goes out in 3 min."
    )
    assert state(manager) == "Enabled"


def test_what_piled_up_leaves_at_a_pace(crm, manager, webhook, settings):
    delivery = made(crm.leeds, webhook)
    health(webhook, drain_to=delivery.pk)
    assert alert(manager, webhook) == "info: Catching up. What had piled up leaves in order, at up to 20 per second."
    settings.WEBHOOK_DRAIN_RATE = 12.5
    assert "at up to 12.5 per second" in alert(manager, webhook)
    Webhook.objects.update(rate_limit=5)
    assert "at up to 5 per second" in alert(manager, webhook)
    put(delivery, Status.SUCCESS, tries=1)
    assert alert(manager, webhook) == ""


def test_resume_says_how_many_leave_how_fast_and_for_how_long(crm, manager, webhook):
    def asked() -> str:
        return Page(manager.get(url("resume", webhook.pk))).text

    switch.pause(webhook.pk)
    assert "Nothing is held. New events are sent as they come." in asked()
    first = made(crm.leeds, webhook)
    assert "1 held delivery leaves in order, at up to 20 per second." in asked()
    like = {field.attname: getattr(first, field.attname) for field in Delivery._meta.concrete_fields[1:]}
    Delivery.objects.bulk_create(Delivery(**like) for _ in range(4999))
    assert "5,000 held deliveries leave in order, at up to 20 per second, about 4 min." in asked()
    Webhook.objects.update(rate_limit=2)
    assert "5,000 held deliveries leave in order, at up to 2 per second, about 41 min." in asked()
    # A figure of the page is counted so far, and no further.
    assert "999+ deliveries are held" in alert(manager, webhook)


def test_an_auditor_reads_the_reason_and_resumes_nothing(crm, sign_in, webhook):
    switch.pause_by_policy(webhook.pk, GONE, made(crm.leeds, webhook).pk)
    auditor = sign_in(crm.auditor)
    assert GONE in alert(auditor, webhook)
    assert auditor.get(url("resume", webhook.pk)).status_code == 403


def test_a_reason_with_a_tag_in_it_is_text(crm, manager, webhook):
    switch.pause_by_policy(webhook.pk, "<script>alert(1)</script>", made(crm.leeds, webhook).pk)
    for page in (url("change", webhook.pk), url("changelist"), url("resume", webhook.pk), "/admin/"):
        assert "<script>alert" not in manager.get(page).content.decode()


def test_a_page_that_fetches_itself_leaves_the_secret_to_the_one_that_shows_it(manager, webhook):
    address = url("change", webhook.pk)
    fields = Page(manager.get(url("rotate", webhook.pk))).forms
    asked = next(form for form in fields if "overlap" in form)
    manager.post(url("rotate", webhook.pk), asked)
    webhook.refresh_from_db()
    secret = webhook.next_secret
    assert secret
    fetched = manager.get(address, headers={"X-Requested-With": "XMLHttpRequest"})
    assert secret not in fetched.content.decode()
    assert secret in manager.get(address).content.decode()
    assert secret not in manager.get(address).content.decode()


def test_disabled_is_disabled_whatever_the_receiver_did(manager, webhook):
    health(webhook, failures=9, failing_since=ago(hours=1))
    switch.disable(webhook.pk)
    assert (alert(manager, webhook), state(manager)) == ("", "Disabled")
    assert Webhook.objects.get().state == State.DISABLED
