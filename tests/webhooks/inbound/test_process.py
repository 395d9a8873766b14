"""What becomes of a post: a receipt, a lead, and an answer that says so."""

from __future__ import annotations

import pytest
from django.utils import timezone

from leads import roles
from leads.models import CustomField, Lead
from tests import factories
from tests.webhooks.inbound.conftest import SAMPLE, new_key
from webhooks.inbound import apply, process
from webhooks.models import Event, Receipt

pytestmark = pytest.mark.django_db


def test_a_post_makes_a_lead_and_the_next_one_updates_it(post, inbound):
    answer = post()
    lead = Lead.objects.get()
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "id": lead.pk, "action": "created"})
    assert (lead.full_name, lead.business_email, lead.email) == ("Lead Engine", SAMPLE["email"], SAMPLE["email"])
    assert lead.get("mobile_phone") == "15555555555"
    assert lead.get("created_date") == "2024-10-02T15:28:20Z"
    assert lead.source == "inbound_webhook"

    answer = post({**SAMPLE, "email": "TEST@leadmagnets.io", "city": "Saint Paul"})
    assert answer.json() == {"status": "success", "id": lead.pk, "action": "updated"}
    assert Lead.objects.get().get("city") == "Saint Paul"


def test_the_receipt_keeps_every_byte_and_no_key(post, inbound, secret):
    body = b'{"email":  "a@example.com", "first_name": "A"}'
    post(body, X_Form="contact")
    receipt = Receipt.objects.get()
    assert bytes(receipt.body) == body
    assert receipt.headers["x-form"] == "contact"
    assert secret not in str(receipt.headers)
    assert (receipt.status, receipt.action, receipt.lead_id) == ("applied", "created", Lead.objects.get().pk)
    assert receipt.sender == "API key Zapier"


@pytest.mark.parametrize("named", [{}, {"webhook_id": "msg_1"}])
def test_the_event_says_which_webhook_it_came_by(named, post, inbound):
    post(webhook_hops="1", **named)
    event = Event.objects.filter(type="lead.created").get()
    assert (event.actor_kind, event.actor_id, event.actor_name, event.hops) == ("inbound", inbound.pk, "Website", 2)


def test_a_loop_ends_at_three_hops(post):
    answer = post(webhook_hops="3")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ignored"
    assert not Lead.objects.exists()
    assert Receipt.objects.get().status == "ignored"


def test_the_same_message_again_changes_nothing(post):
    first = post(webhook_id="msg_1")
    again = post(webhook_id="msg_1")
    assert again.json() == first.json()
    assert Receipt.objects.count() == 1
    assert post({"email": "other@example.com"}, webhook_id="msg_1").status_code == 409


def test_what_breaks_a_rule_is_told_by_path_and_kept(post, inbound):
    answer = post({**SAMPLE, "email": "not an e-mail"})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], error["rule"]) == ("email", "email")
    assert "business_email" in error["message"]
    receipt = Receipt.objects.get()
    assert (receipt.status, receipt.answered) == ("refused", 422)
    assert not Lead.objects.exists()


def test_a_refused_message_is_taken_once_the_mapping_is_mended(post, inbound):
    sent = {"contact": {"work": {"email": "jo@example.com"}}, "first_name": "Jo"}
    inbound.mapping = [{"field": "business_email", "path": "contact"}]
    inbound.save()
    assert post(sent, webhook_id="msg_1").status_code == 422
    inbound.mapping = [{"field": "business_email", "path": "contact/work/email"}]
    inbound.save()
    assert post(sent, webhook_id="msg_1").json()["action"] == "created"
    assert Receipt.objects.get().status == "applied"


def test_a_test_shows_whether_it_would_be_taken_and_makes_no_lead(post):
    assert post(webhook_test="true").json() == {"status": "success", "id": None, "action": "test"}
    assert not Lead.objects.exists()
    assert post({"email": "x"}, webhook_test="true").status_code == 422


def test_a_test_tells_no_more_than_its_sender_may_see(post, account, inbound):
    CustomField.objects.create(account=account, key="reference", label="Reference", unique=True)
    office, other = factories.office("Leeds", account=account), factories.office("York", account=account)
    lead = factories.lead(account=account, office=other, custom_fields={"reference": "R1"})
    inbound.office, inbound.mapping = office, [*inbound.mapping, {"field": "custom_fields.reference", "path": "ref"}]
    inbound.save()
    key = new_key(account, office, role=roles.STAFF)
    answer = post({**SAMPLE, "ref": "R1"}, webhook_test="true", Authorization=f"Bearer {key}")
    assert answer.status_code == 422
    assert f"lead {lead.pk}" not in answer.json()["errors"][0]["message"]


def test_a_post_that_takes_so_long_that_the_sweep_takes_it_up_makes_one_lead(post, inbound, monkeypatch):
    inbound.match = ""
    inbound.save()
    at_work, real = [], apply.apply

    def slow(inbound, receipt, *rest):
        if not at_work:
            at_work.append(receipt)
            process.finish(receipt.pk)
        return real(inbound, receipt, *rest)

    monkeypatch.setattr(apply, "apply", slow)
    lead_id = post().json()["id"]
    assert [lead.pk for lead in Lead.objects.all()] == [lead_id]
    assert (Receipt.objects.get().status, Receipt.objects.get().lead_id) == ("applied", lead_id)


def test_a_refusal_that_comes_late_does_not_undo_what_was_applied(post, inbound, monkeypatch):
    mended, inbound.mapping = inbound.mapping, []
    inbound.save()
    assert post().status_code == 422
    late = Receipt.objects.select_related("inbound").get()
    inbound.mapping = mended
    inbound.save()
    real = Receipt.settled

    def settled(receipt, **values):
        if values["status"] == "refused":
            process.again(Receipt.objects.get())
        return real(receipt, **values)

    monkeypatch.setattr(Receipt, "settled", settled)
    assert process.again(late)["id"] == Lead.objects.get().pk
    assert Receipt.objects.get().status == "applied"


def test_what_a_deleted_webhook_left_behind_is_not_asked_for_again(post, inbound):
    post()
    Receipt.objects.update(status="received", received_at=timezone.now() - 2 * process.LEFT_BEHIND)
    assert len(process.waiting()) == 1
    inbound.delete()
    assert process.waiting() == []
