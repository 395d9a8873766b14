"""Receipts in the admin: the list, the page, who may view payloads, and processing them again."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from leads import roles
from leads.models import Lead
from leads.scope import Scope
from tests import factories
from tests.admin.conftest import new_user
from tests.admin.page import Page
from tests.webhooks.inbound.conftest import MAPPING, SAMPLE
from webhooks.admin import lead_panels
from webhooks.inbound import process, reprocess
from webhooks.inbound.parcel import Sender
from webhooks.models import InboundWebhook, Receipt, ReceiptStatus

pytestmark = pytest.mark.django_db

LIST = reverse("admin:webhooks_receipt_changelist")
PROCESS = reverse("admin:webhooks_receipt_process")
WRONG = [*MAPPING[:2], {"field": "business_email", "path": "name"}]


@pytest.fixture
def manager(crm, sign_in):
    return sign_in(crm.manager)


@pytest.fixture
def inbound(crm) -> InboundWebhook:
    return InboundWebhook.objects.create(account=crm.account, name="Website", mapping=MAPPING)


def posted(inbound: InboundWebhook, sent: Any = SAMPLE, **headers: str) -> Receipt:
    """The receipt of a post, whatever became of it."""
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    sender = Sender("API key Zapier", Scope(inbound.account_id, None), claims=headers.pop("claims", "").encode())
    uid = f"{Receipt.objects.count():032x}"
    try:
        process.receive(inbound, sender, uid, {name.replace("_", "-"): value for name, value in headers.items()}, body)
    except Exception:
        assert Receipt.objects.get(uid=uid).status == ReceiptStatus.REFUSED
    return Receipt.objects.get(uid=uid)


def refused(inbound: InboundWebhook, **changes: str) -> Receipt:
    inbound.mapping = WRONG
    receipt = posted(inbound, SAMPLE | changes)
    inbound.mapping = MAPPING
    assert receipt.status == ReceiptStatus.REFUSED
    return receipt


def at(name: str, receipt: Receipt) -> str:
    return reverse(f"admin:webhooks_receipt_{name}", args=[receipt.pk])


def listed(client: Any, query: str = "") -> list[int]:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200, response.content
    return [receipt.pk for receipt in response.context["cl"].result_list]


def test_the_list_is_filtered_and_searched(crm, manager, inbound):
    other = InboundWebhook.objects.create(account=crm.account, name="Portal", mapping=MAPPING)
    applied = posted(inbound, webhook_id="msg_1")
    wrong = refused(inbound)
    tested = posted(other, webhook_test="true")
    Receipt.objects.filter(pk=tested.pk).update(received_at=timezone.now() - timedelta(days=3))
    posted(InboundWebhook.objects.create(account=crm.other, name="Theirs", mapping=MAPPING))
    assert listed(manager) == [wrong.pk, applied.pk, tested.pk]
    assert listed(manager, "status__in=refused") == [wrong.pk]
    assert listed(manager, f"inbound={other.pk}") == [tested.pk]
    assert listed(manager, "inbound=x") == []
    today = timezone.now().date()
    assert listed(manager, f"received_at_from={today}&received_at_to={today}") == [wrong.pk, applied.pk]
    for words in ("engine", "lead LEADMAGNETS", str(applied.lead_id), applied.uid, "msg_1"):
        assert listed(manager, f"q={words}") == [applied.pk], words
    assert listed(manager, "q=%00") == [wrong.pk, applied.pk, tested.pk]
    page = Page(manager.get(LIST))
    assert "Lead Engine" in page.text and "name must be an e-mail address" in page.text
    assert reverse("admin:leads_lead_change", args=[applied.lead_id]) in page.links


def test_the_list_says_whether_a_lead_was_made_or_changed(manager, inbound):
    posted(inbound), posted(inbound), refused(inbound)
    rows = manager.get(LIST).content.decode()
    assert (rows.count(">created</span>"), rows.count(">updated</span>")) == (1, 1)


def test_the_page_shows_every_byte_and_what_was_wrong(manager, inbound):
    receipt = posted(inbound, b'{"email":  "<b>no</b>", "first_name": "\\u00e9"}', X_Form="contact")
    response = manager.get(at("change", receipt))
    text = Page(response).text
    assert '{"email": "<b>no</b>", "first_name": "\\u00e9"}' in text  # raw
    assert '"first_name": "é"' in text  # and pretty
    assert "<b>no</b>" not in response.content.decode()
    assert "x-form contact" in text.lower()
    assert "email → business_email" in text and "Must be an e-mail address" in text
    assert receipt.uid in text and "API key Zapier" in text and "422" in text


def test_claims_stand_beside_the_body_that_was_ignored(manager, inbound):
    receipt = posted(inbound, b"\xff\x00 no JSON", claims=json.dumps(SAMPLE))
    text = Page(manager.get(at("change", receipt))).text
    assert receipt.status == ReceiptStatus.APPLIED
    assert "Claims of the JWT" in text and "Minneapolis" in text and "\\xff" in text


def test_payloads_are_for_who_may_view_them_and_each_look_is_logged(crm, sign_in, manager, inbound):
    receipt = posted(inbound, {**SAMPLE, "city": "Whitby-on-Sea"}, x_form="quote-box")
    text = Page(sign_in(crm.auditor).get(at("change", receipt))).text
    assert "Whitby-on-Sea" not in text and "quote-box" not in text and "You may not view payloads." in text
    assert not LogEntry.objects.exists()
    for _ in range(2):
        assert "Whitby-on-Sea" in Page(manager.get(at("change", receipt))).text
    (look,) = LogEntry.objects.all()
    assert (look.user, look.object_id, look.change_message) == (crm.manager, str(receipt.pk), "Payload viewed.")


def test_a_receipt_is_processed_again_once_the_mapping_is_mended(manager, inbound):
    receipt = refused(inbound)
    page = manager.get(at("change", receipt))
    assert at("process_again", receipt) in page.content.decode()
    response = manager.post(at("process_again", receipt), {"_form_submitted": "True"}, follow=True)
    receipt.refresh_from_db()
    assert (receipt.status, receipt.tries, receipt.faults) == ("applied", 2, [])
    assert receipt.lead_id == Lead.objects.get().pk
    assert "1 receipt became a new lead." in Page(response).text
    # It is done with: neither offered nor done twice.
    assert at("process_again", receipt) not in response.content.decode()
    manager.post(at("process_again", receipt), {"_form_submitted": "True"})
    assert Receipt.objects.get().tries == 2


def test_selected_ones_are_processed_after_a_question(manager, inbound):
    first, second = refused(inbound), refused(inbound, email="jo@example.com")
    still = posted(inbound, {"email": "no"})
    done = posted(inbound, {"email": "done@example.com"})
    ids = [receipt.pk for receipt in (first, second, still, done)]
    asked = manager.post(LIST, {"action": "process_selected", "_selected_action": ids})
    text = Page(manager.get(asked["Location"])).text
    assert "Process 3 receipts again?" in text and "1 other receipt stays" in text
    told = Page(manager.post(asked["Location"], follow=True)).text
    assert "2 receipts became new leads." in told and "1 receipt was refused again." in told
    assert set(Receipt.objects.filter(status="applied").values_list("pk", flat=True)) == {first.pk, second.pk, done.pk}
    assert Receipt.objects.get(pk=still.pk).faults[0]["rule"] == "email"


def test_all_that_a_webhook_has_refused(monkeypatch, crm, manager, inbound):
    """As many as a page waits for; the worker goes on with the others."""
    monkeypatch.setattr(reprocess, "AT_ONCE", 2)
    inbound.save()
    other = InboundWebhook.objects.create(account=crm.account, name="Portal", mapping=MAPPING)
    elsewhere = refused(other)
    receipts = [refused(inbound, email=f"{name}@example.com") for name in ("a", "b", "c")]
    page = manager.get(reverse("admin:webhooks_inboundwebhook_change", args=[inbound.pk]))
    address = f"{PROCESS}?inbound={inbound.pk}"
    assert "3 posts were refused." in Page(page).text and address in Page(page).links
    told = Page(manager.post(address, follow=True)).text
    assert "2 receipts became new leads. The worker goes on with 1 more." in told
    assert [Receipt.objects.get(pk=receipt.pk).status for receipt in receipts] == ["applied", "applied", "received"]
    assert Receipt.objects.get(pk=elsewhere.pk).status == "refused"
    Receipt.objects.filter(status="received").update(received_at=timezone.now() - timedelta(hours=1))
    for (pk,) in process.waiting():
        process.finish(pk)
    assert Receipt.objects.get(pk=receipts[2].pk).status == "applied"


def test_what_is_left_of_a_deleted_webhook_cannot_be_processed(manager, inbound):
    receipt = refused(inbound)
    inbound.delete()
    text = Page(manager.get(at("change", receipt))).text
    assert "Website (deleted)" in text and "cannot be processed again" in text
    assert "Nothing to process" in Page(manager.get(f"{PROCESS}?ids={receipt.pk}")).text
    assert "Nothing was processed" in Page(manager.post(f"{PROCESS}?ids={receipt.pk}", follow=True)).text


@pytest.mark.parametrize("query", ["ids=x", "ids=1,,2", "ids=99999999999999999999"])
def test_a_selection_that_is_none_is_refused(manager, query):
    assert manager.get(f"{PROCESS}?{query}").status_code == 400


def test_who_reads_and_who_processes(crm, sign_in, inbound):
    receipt = refused(inbound)
    limited = new_user("limited", crm.account, crm.leeds, role=roles.STAFF)
    limited.user_permissions.set(Permission.objects.filter(content_type__model__in=("inboundwebhook", "receipt")))
    page, again, several = at("change", receipt), at("process_again", receipt), f"{PROCESS}?inbound={inbound.pk}"
    reads = {
        user.username: [sign_in(user).get(path).status_code for path in (LIST, page)]
        for user in (crm.superuser, crm.auditor, crm.staff, crm.other_manager, limited)
    }
    assert reads == {
        "root": [200, 200],
        "auditor": [200, 200],
        "staff": [403, 403],
        "othermanager": [200, 404],
        "limited": [200, 404],
    }
    assert listed(sign_in(limited)) == listed(sign_in(crm.other_manager)) == []
    # Nor what the webhooks are called.
    for path in (LIST, several):
        assert inbound.name not in sign_in(limited).get(path).content.decode()
    for user, status in ((crm.auditor, 403), (crm.staff, 403), (crm.other_manager, 404)):
        assert sign_in(user).post(again, {"_form_submitted": "True"}).status_code == status
        assert sign_in(user).post(several).status_code == status
    sign_in(crm.other_manager).post(f"{PROCESS}?ids={receipt.pk}")
    sign_in(limited).post(several)
    receipt.refresh_from_db()
    assert (receipt.status, receipt.tries) == ("refused", 1)
    for path in (page, reverse("admin:webhooks_receipt_delete", args=[receipt.pk])):
        assert sign_in(crm.manager).post(path, {"post": "yes"}).status_code in (403, 405)


def test_the_lead_says_by_what_it_came(rf, crm, manager, inbound):
    receipt = posted(inbound)
    lead = Lead.objects.get()
    page = Page(manager.get(reverse("admin:leads_lead_change", args=[lead.pk])))
    assert "Came in by" in page.text and at("change", receipt) in page.links
    Lead.objects.update(office=crm.leeds)
    request = rf.get("/")
    request.user = crm.staff
    panel = lead_panels.receipts(request, lead)
    assert "Website" in panel.body and "href" not in panel.body
    assert lead_panels.receipts(request, factories.lead(office=crm.leeds)) is None
