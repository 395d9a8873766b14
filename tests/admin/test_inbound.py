"""Inbound webhooks in the admin: the list, the form, the page, and their secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from leads import roles
from leads.models import CustomField, LeadList
from tests import factories
from tests.admin.conftest import new_user
from tests.admin.page import Page
from tests.webhooks.inbound.conftest import MAPPING
from webhooks.models import InboundWebhook, Receipt

pytestmark = pytest.mark.django_db

LIST = reverse("admin:webhooks_inboundwebhook_changelist")
ADD = reverse("admin:webhooks_inboundwebhook_add")
SECRET = "a secret of the sender's own"


@pytest.fixture
def manager(crm, sign_in):
    return sign_in(crm.manager)


@pytest.fixture
def inbound(crm) -> InboundWebhook:
    return InboundWebhook.objects.create(account=crm.account, name="Website", mapping=MAPPING)


def at(name: str, inbound: InboundWebhook) -> str:
    return reverse(f"admin:webhooks_inboundwebhook_{name}", args=[inbound.pk])


def form_of(response: Any) -> dict[str, list[str]]:
    return Page(response).form("inboundwebhook_form")


def errors_of(response: Any) -> dict[str, list[str]]:
    return {name: list(found) for name, found in response.context["adminform"].form.errors.items()}


def test_it_is_set_up_and_its_page_says_where_to_post(crm, manager):
    newsletter = LeadList.objects.create(account=crm.account, name="Newsletter")
    form = form_of(manager.get(ADD))
    assert (form["verification"], form["match"], form["enabled"]) == (["bearer"], ["business_email"], ["on"])
    form |= {
        "name": "Zapier",
        "match": "phone",
        "update": "fill_empty",
        "protected": ["owner_id", "notes"],
        "only_path": "event/type",
        "only_values": "created\r\n updated \r\n",
        "list": str(newsletter.pk),
        "office": str(crm.leeds.pk),
        "owner": str(crm.staff.pk),
    }
    response = manager.post(ADD, form, follow=True)
    made = InboundWebhook.objects.get()
    assert response.redirect_chain[-1][0] == at("change", made)
    assert (made.account, made.match, made.update, made.protected) == (
        crm.account,
        "phone",
        "fill_empty",
        ["owner_id", "notes"],
    )
    assert (made.only_path, made.only_values) == ("event/type", ["created", "updated"])
    assert (made.list, made.office, made.owner) == (newsletter, crm.leeds, crm.staff)
    assert made.secret == ""
    assert at("mapping", made) in Page(response).links
    assert manager.get(at("mapping", made)).status_code == 200
    text = Page(response).text
    assert f"/in/{made.uid}" in text and "Authorization: Bearer $KEY" in text and made.uid in text
    # The page shows what is stored, and storing it again changes nothing.
    before = InboundWebhook.objects.values().get()
    manager.post(at("change", made), form_of(response))
    assert InboundWebhook.objects.values().get() == before


@pytest.mark.parametrize("verification", ["hmac", "standard", "jwt"])
def test_a_secret_is_made_and_shown_once(manager, verification):
    form = form_of(manager.get(ADD)) | {"name": "Portal", "verification": verification}
    response = manager.post(ADD, form, follow=True)
    made = InboundWebhook.objects.get()
    assert len(made.secret) > 40
    assert made.secret in response.content.decode()
    assert made.secret not in manager.get(at("change", made)).content.decode()


def test_a_typed_secret_is_kept_and_not_shown(manager):
    form = form_of(manager.get(ADD)) | {"name": "Portal", "verification": "hmac", "typed_secret": SECRET}
    response = manager.post(ADD, form, follow=True)
    assert InboundWebhook.objects.get().secret == SECRET
    assert SECRET not in response.content.decode()


def test_who_turns_to_a_signature_gets_a_secret(manager, inbound):
    form = form_of(manager.get(at("change", inbound))) | {"verification": "jwt"}
    response = manager.post(at("change", inbound), form, follow=True)
    stored = InboundWebhook.objects.get()
    assert stored.secret and stored.secret in response.content.decode()


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"name": ""}, "name", "Name is required."),
        ({"name": "Website"}, "name", "This account has an inbound webhook of that name."),
        ({"verification": "hmac", "typed_secret": "short"}, "typed_secret", "16 to 255 printable characters"),
        ({"verification": "jwt", "typed_secret": SECRET}, "typed_secret", "32 to 255 printable characters"),
        ({"verification": "standard", "typed_secret": "whsec_no base64 at all"}, "typed_secret", "base64 after whsec_"),
        ({"verification": "hmac", "signature_header": "X Signature"}, "signature_header", "must be a header name"),
        ({"verification": "hmac", "signature_header": "Authorization"}, "signature_header", "cannot be Authorization"),
        ({"only_path": "/event", "only_values": "made"}, "only_path", "must not begin or end with /"),
        ({"only_values": "created"}, "only_path", "must say where these values are looked for"),
        ({"only_path": "event", "only_values": "a\x00b"}, "only_values", ""),
        ({"match": "postcode"}, "match", "postcode"),
        ({"protected": ["owner", "nonsense"]}, "protected", "which owner is not"),
        ({"list": "999"}, "list", "List must be one of those on offer."),
        ({"office": "x"}, "office", "Office must be one of those on offer."),
        ({"update": "sometimes"}, "update", "sometimes"),
    ],
)
def test_bad_input_is_told_and_stores_nothing(crm, manager, inbound, typed, field, words):
    form = form_of(manager.get(ADD)) | {"name": "Other"} | typed
    response = manager.post(ADD, form)
    found = errors_of(response)
    assert response.status_code == 200 and set(found) == {field}
    assert words in found[field][0]
    assert InboundWebhook.objects.count() == 1


def test_what_a_form_has_no_field_for_stays(manager, inbound):
    """Somebody maps on the other page meanwhile, and somebody rotates."""
    form = form_of(manager.get(at("change", inbound))) | {"description": "Ours"}
    InboundWebhook.objects.update(mapping=MAPPING[:1])
    manager.post(at("change", inbound), form)
    stored = InboundWebhook.objects.get()
    assert (stored.description, stored.mapping) == ("Ours", MAPPING[:1])


def test_the_list_tells_how_much_came_and_what_duplicates(crm, manager, inbound):
    lead = factories.lead(office=crm.leeds)
    now = timezone.now()
    rows = [("applied", lead.pk, 0), ("applied", lead.pk, 1), ("refused", None, 2), ("applied", lead.pk, 9)]
    for number, (status, pk, days) in enumerate(rows):
        Receipt.objects.create(
            inbound=inbound,
            account=crm.account,
            inbound_name="Website",
            uid=str(number),
            body=b"{}",
            status=status,
            lead_id=pk,
            received_at=now - timedelta(days=days, minutes=5),
        )
    response = manager.get(LIST)
    (row,) = response.context["cl"].result_list
    assert (row.traffic.leads, row.traffic.refused) == (1, 1)
    page = Page(response)
    assert "5 min ago" in page.text and "not mapped" not in page.text
    links = [link for link in page.links if "status__in" in link]
    assert links and all(manager.get(link).status_code == 200 for link in links)
    inbound.mapping = [MAPPING[0]]
    inbound.save()
    assert "Business e-mail is not mapped" in Page(manager.get(LIST)).text
    assert "Each post makes a new lead." in Page(manager.get(at("change", inbound))).text
    inbound.match = ""
    inbound.save()
    assert "Each post makes a new lead." not in Page(manager.get(at("change", inbound))).text


def test_a_custom_field_that_is_gone_is_shown_and_has_to_be_replaced(crm, manager, inbound):
    field = CustomField.objects.create(account=crm.account, key="ref", label="Reference", kind="text", unique=True)
    inbound.match, inbound.protected = "custom_fields.ref", ["custom_fields.ref"]
    inbound.save()
    form = form_of(manager.get(at("change", inbound)))
    assert form["match"] == ["custom_fields.ref"]
    field.delete()
    response = manager.get(at("change", inbound))
    assert form_of(response)["match"] == ["custom_fields.ref"] and "no such field any more" in response.content.decode()
    found = errors_of(manager.post(at("change", inbound), form_of(response)))
    assert set(found) == {"match", "protected"}
    fine = form_of(response) | {"match": "email", "protected": []}
    assert manager.post(at("change", inbound), fine).status_code == 302


def test_a_secret_is_rotated_with_a_grace(manager, inbound):
    InboundWebhook.objects.update(verification="hmac", secret=SECRET)
    path = at("rotate", inbound)
    assert "Rotate the secret of Website?" in manager.get(path).content.decode()
    manager.post(path, {"_form_submitted": "True", "keep": "2", "typed_secret": ""})
    stored = InboundWebhook.objects.get()
    assert list(stored.secrets(timezone.now())) == [stored.secret, SECRET]
    assert list(stored.secrets(timezone.now() + timedelta(days=2))) == [stored.secret]
    page = manager.get(at("change", inbound)).content.decode()
    assert stored.secret in page and SECRET not in page
    # A third one would push out one that is in use.
    manager.post(path, {"_form_submitted": "True", "keep": "2", "typed_secret": ""})
    assert InboundWebhook.objects.get().secret == stored.secret
    manager.post(at("end_grace", inbound), {"_form_submitted": "True"})
    assert list(InboundWebhook.objects.get().secrets(timezone.now())) == [stored.secret]


def test_delete_keeps_the_receipts(crm, manager, inbound):
    Receipt.objects.create(inbound=inbound, account=crm.account, inbound_name="Website", uid="1", body=b"{}")
    assert "Its receipts stay" in Page(manager.get(at("delete", inbound))).text
    manager.post(at("delete", inbound), {"post": "yes"})
    assert not InboundWebhook.objects.exists()
    assert Receipt.objects.get().inbound_name == "Website"


def test_superusers_choose_the_account_and_its_own_things_come_afterwards(crm, sign_in):
    root = sign_in(crm.superuser)
    form = form_of(root.get(ADD))
    assert "account" in form and "office" not in form
    root.post(ADD, form | {"name": "Theirs", "account": str(crm.other.pk)})
    made = InboundWebhook.objects.get()
    assert made.account == crm.other
    offered = root.get(at("change", made)).context["adminform"].form.fields["office"].queryset
    assert list(offered) == [crm.whitby]


def test_who_sees_and_changes_what(crm, sign_in, inbound):
    leeds_manager = new_user("leedsmanager", crm.account, crm.leeds, role=roles.STAFF)
    leeds_manager.user_permissions.set(Permission.objects.filter(content_type__model="inboundwebhook"))
    change = at("change", inbound)
    seen = {
        user.username: [sign_in(user).get(path).status_code for path in (LIST, change, ADD)]
        for user in (crm.superuser, crm.manager, crm.auditor, crm.staff, crm.other_manager, leeds_manager)
    }
    assert seen == {
        "root": [200, 200, 200],
        "manager": [200, 200, 200],
        "auditor": [200, 200, 403],
        "staff": [403, 403, 403],
        "othermanager": [200, 404, 200],
        "leedsmanager": [200, 404, 403],
    }
    # The auditor's page has no input that is not disabled, and no action.
    page = Page(sign_in(crm.auditor).get(change))
    assert page.by_id.get("inboundwebhook_form", {}).keys() <= {"csrfmiddlewaretoken"}
    InboundWebhook.objects.update(verification="hmac", secret=SECRET)
    for user, status in ((crm.auditor, 403), (crm.staff, 403), (crm.other_manager, 404)):
        for name in ("rotate", "end_grace"):
            answer = sign_in(user).post(at(name, inbound), {"_form_submitted": "True", "keep": "0"})
            assert answer.status_code == status, (user, name)
        assert sign_in(user).post(at("delete", inbound), {"post": "yes"}).status_code == status
    assert InboundWebhook.objects.get().secret == SECRET
    assert "Website" not in sign_in(leeds_manager).get(LIST).content.decode()


def test_another_verification_needs_a_secret_that_goes_with_it(inbound, manager):
    InboundWebhook.objects.update(verification="hmac", secret="whsec_%" * 3)
    form = form_of(manager.get(at("change", inbound))) | {"verification": "standard"}
    [told] = errors_of(manager.post(at("change", inbound), form))["verification"]
    assert "base64 after whsec_" in told
    assert "whsec_%" not in told
    assert InboundWebhook.objects.get().verification == "hmac"
