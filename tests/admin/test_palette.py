"""What Ctrl+K finds, for whom, and that it forgets."""

from __future__ import annotations

import pytest

from leads import roles
from leads.models import User
from tests import factories
from tests.admin import people
from tests.admin.test_home import deliver
from webhooks.models import InboundWebhook, Receipt, Status

pytestmark = pytest.mark.django_db


def found(user: User, words: str) -> list[tuple[str, str]]:
    """(title, link) of each result."""
    response = people.browser(user).get("/admin/search/", {"s": words, "extended": "1"})
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    results = [(result.title, result.link) for result in response.context["results"]]
    assert all(link for _, link in results)
    return results


def titles(user: User, words: str) -> list[str]:
    return [title for title, _ in found(user, words)]


@pytest.mark.parametrize(
    "words",
    ["olivia", "Hartley", "HARTLEY olivia", "olivia.hartley@", "07123 456789", "+447123456789", "n1 3jy", "NGH-1003"],
)
def test_a_lead_is_found_by_what_people_know_of_it(words: str) -> None:
    lead = factories.lead(property_reference="NGH-1003")
    assert found(people.manager(), words) == [("Olivia Hartley", f"/admin/leads/lead/{lead.pk}/change/")]


def test_a_deleted_lead_is_not_found_a_moment_later() -> None:
    manager, lead = people.manager(), factories.lead()
    assert titles(manager, "olivia") == ["Olivia Hartley"]
    lead.delete()
    assert titles(manager, "olivia") == []


def test_nothing_is_found_of_another_account() -> None:
    factories.lead()
    factories.office("Leeds Central")
    delivery = deliver(factories.webhook(), Status.SUCCESS)
    elsewhere = people.manager(account=factories.account("Harbour Lettings"))
    for words in ("olivia", "leeds", "leadpro production", delivery.message_id):
        assert titles(elsewhere, words) == [], words
    assert titles(people.superuser(), "leeds") == ["Leeds Central"]


def test_an_inbound_webhook_and_its_receipt_are_found_by_what_a_sender_knows_of_them() -> None:
    inbound = InboundWebhook.objects.create(account=factories.account(), name="Zapier")
    receipt = Receipt.objects.create(
        inbound=inbound, account=inbound.account, inbound_name="Zapier", uid="0a" * 16, body=b"{}"
    )
    manager, elsewhere = people.manager(), people.manager(account=factories.account("Harbour Lettings"), name="them")
    for words in ("zapi", inbound.uid):
        assert ("Zapier", f"/admin/webhooks/inboundwebhook/{inbound.pk}/change/") in found(manager, words)
        assert "Zapier" not in titles(elsewhere, words)
    assert found(manager, receipt.uid) == [(str(receipt), f"/admin/webhooks/receipt/{receipt.pk}/change/")]
    assert found(elsewhere, receipt.uid) == []
    assert titles(manager, "receive data") == ["Inbound webhooks"]


def test_staff_find_the_leads_of_their_offices_and_no_webhook() -> None:
    leeds, york = factories.office("Leeds Central"), factories.office("York Minster Gate")
    webhook = factories.webhook()
    mine, other = factories.lead(office=leeds), factories.lead(office=york, email="other@example.com")
    ids = {each.event.record_id: each.message_id for each in webhook.deliveries.select_related("event")}
    staff = people.person(roles.STAFF, leeds)
    assert [link for _, link in found(staff, "olivia")] == [f"/admin/leads/lead/{mine.pk}/change/"]
    assert titles(staff, "york") == []
    assert titles(staff, "leadpro production") == []
    assert titles(staff, ids[mine.pk]) == ["lead.created to LeadPro production"]
    assert titles(staff, ids[other.pk]) == []


def test_somebody_without_rights_finds_home() -> None:
    factories.lead()
    nobody = people.person("")
    assert titles(nobody, "olivia") == []
    assert titles(nobody, "dashboard") == ["Home"]


def test_a_delivery_is_found_by_its_whole_webhook_id() -> None:
    delivery = deliver(factories.webhook(), Status.FAILURE)
    link = f"/admin/webhooks/delivery/{delivery.pk}/change/"
    assert found(people.manager(), f" {delivery.message_id} ") == [(str(delivery), link)]
    assert titles(people.manager(name="other"), delivery.message_id[:-1]) == []


def test_tests_are_for_those_who_see_webhooks() -> None:
    delivery = deliver(factories.webhook(), Status.SUCCESS, test=True)
    assert titles(people.manager(), delivery.message_id) == [str(delivery)]
    assert titles(people.person(roles.STAFF), delivery.message_id) == []


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("Developers section", "Webhooks"),
        ("developers section", "API keys"),
        ("webhook signing secret", "Webhooks"),
        ("API and Webhooks", "Webhooks"),
        ("Send Data", "Webhooks"),
        ("Webhook Log", "Webhook History"),
        ("Transmission date", "Webhook History"),
        ("View History", "Webhook History"),
        ("issues", "Failures by cause"),
        ("access key", "API keys"),
        ("history", "Webhook History"),
    ],
)
def test_a_page_is_found_by_the_words_of_each_system(words: str, page: str) -> None:
    assert page in titles(people.manager(), words)


def test_a_page_that_the_user_may_not_open_is_not_found() -> None:
    assert titles(people.person(roles.STAFF), "webhook signing secret") == []


def test_the_failures_by_cause_are_for_those_who_see_webhooks() -> None:
    link = "/admin/webhooks/delivery/causes/"
    assert found(people.manager(), "failures") == [("Failures by cause", link)]
    assert found(people.person(roles.STAFF), "failures by cause") == []


def test_five_of_a_kind_are_enough() -> None:
    for number in range(7):
        factories.lead(email=f"olivia{number}@example.com")
    assert len(found(people.manager(), "olivia")) == 5


@pytest.mark.parametrize("words", ["", "   ", "\0", "%", "_", "msg_", "msg_' OR 1=1", "<b>x</b>", "x " * 500, "É"])
def test_any_words_are_answered(words: str) -> None:
    factories.lead(first_name="<b>x</b>", last_name="B")
    response = people.browser(people.manager()).get("/admin/search/", {"s": words})
    assert response.status_code == 200
    assert "<b>x</b>" not in response.content.decode()


def test_a_stranger_is_sent_to_the_sign_in_page() -> None:
    assert people.Client().get("/admin/search/", {"s": "olivia"}).status_code == 302
