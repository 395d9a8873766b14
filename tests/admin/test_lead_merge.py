"""Merging in the admin: the choice, what comes of it, the page of what was merged, and the way back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.utils import timezone

from leads.models import Lead, Merge, Message, Tag, Task
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"


@pytest.fixture
def ann(crm):
    return factories.lead(type=None, office=crm.leeds, first_name="Ann", last_name="Lee", email="ann@example.com")


@pytest.fixture
def anna(crm):
    values = {"email": "anna@example.com", "city": "Hull", "score": 7}
    return factories.lead(type=None, office=crm.leeds, first_name="Anna", last_name="Lee", **values)


def address(*leads: Lead) -> str:
    return f"{LIST}merge/?{'&'.join(f'lead={lead.pk}' for lead in leads)}"


def page_of(lead: Lead) -> str:
    return f"{LIST}{lead.pk}/change/"


def chosen(client, *leads: Lead, **changes) -> dict:
    """The form of the choice, as a browser would send it."""
    (form,) = [form for form in Page(client.get(address(*leads))).forms if "shown" in form]
    return form | changes


def confirmed(client, *leads: Lead, **changes):
    """From the choice to the preview, and on to the merge."""
    preview = client.post(address(*leads), chosen(client, *leads, **changes))
    (form,) = [form for form in Page(preview).forms if "shown" in form]
    return preview, client.post(address(*leads), form | {"_merge": "1"}, follow=True)


def merge_both(client, ann, anna):
    confirmed(client, ann, anna)
    return Merge.objects.get()


def test_from_the_list_to_the_merged_lead(crm, sign_in, ann, anna):
    client = sign_in(crm.manager)
    Task.objects.create(lead=anna, name="Call", due_at=timezone.now())
    asked = client.post(LIST, {"action": "merge_selected", ACTION_CHECKBOX_NAME: [ann.pk, anna.pk]})
    assert asked.url == address(ann, anna)
    page = Page(client.get(asked.url))
    assert "Which one stays?" in page.text and "Leave empty" in page.text
    form = chosen(client, ann, anna)
    assert form["master"] == [str(ann.pk)]
    picks = {name: values[0] for name, values in form.items() if name.startswith("pick-")}
    assert picks == {
        "pick-first_name": str(ann.pk),
        "pick-email": str(ann.pk),
        "pick-score": str(ann.pk),
        "pick-city": str(anna.pk),
    }
    preview, done = confirmed(client, ann, anna, **{"pick-score": str(anna.pk)})
    text = Page(preview).text
    assert "Merge 1 lead into Ann Lee?" in text and "These move to Ann Lee: 1 task." in text
    assert "Score 0 7" in text and "City – Hull" in text
    assert "It can be undone for 30 days." in text
    assert done.redirect_chain[-1][0] == page_of(ann)
    page = Page(done)
    assert "Anna Lee merged into Ann Lee." in page.text and "Merged from Anna Lee" in page.text
    ann.refresh_from_db()
    assert (ann.email, ann.score, ann.get("city"), ann.tasks.count()) == ("ann@example.com", 7, "Hull", 1)
    assert Event.objects.get(type="lead.merged").actor_name == str(crm.manager)
    assert Merge.objects.get().merged_by == str(crm.manager)


def test_a_preview_stores_nothing(crm, sign_in, ann, anna):
    client, before = sign_in(crm.manager), Event.objects.count()
    client.post(address(ann, anna), chosen(client, ann, anna))
    assert (Event.objects.count(), Merge.objects.count()) == (before, 0)


def test_another_master_begins_with_its_own_values(crm, sign_in, ann, anna):
    client = sign_in(crm.manager)
    turned = client.post(address(ann, anna), chosen(client, ann, anna, master=str(anna.pk)))
    page = Page(turned)
    assert "Anna Lee stays." in page.text
    (form,) = [form for form in page.forms if "shown" in form]
    assert {values[0] for name, values in form.items() if name.startswith("pick-")} == {str(anna.pk)}
    client.post(address(ann, anna), form | {"_merge": "1"})
    assert Lead.objects.filter(pk__in=(ann.pk, anna.pk)).get() == anna


def test_what_was_saved_meanwhile_is_shown(crm, sign_in, ann, anna):
    client = sign_in(crm.manager)
    form = chosen(client, ann, anna)
    Lead.objects.filter(pk=anna.pk).update(first_name="Zoe")
    page = Page(client.post(address(ann, anna), form | {"_merge": "1"}))
    assert "Nothing was merged." in page.text and f"Zoe Lee ({anna.pk}) was saved meanwhile" in page.text
    assert "leadcrm saved version 2" in page.text
    assert not Merge.objects.exists()
    (form,) = [form for form in page.forms if "shown" in form]
    client.post(address(ann, anna), form | {"_merge": "1"})
    assert Merge.objects.count() == 1


def test_who_comes_second_is_told(crm, sign_in, ann, anna):
    third = factories.lead(type=None, office=crm.leeds, first_name="Third")
    client = sign_in(crm.manager)
    form = chosen(client, third, anna)
    merge_both(sign_in(crm.staff), ann, anna)
    answer = client.post(address(third, anna), form | {"_merge": "1"}, follow=True)
    assert "Anna Lee was merged into Ann Lee already." in Page(answer).text
    assert Merge.objects.count() == 1


@pytest.mark.parametrize("count", [1, 22])
def test_one_alone_and_too_many(crm, sign_in, count):
    leads = [factories.lead(office=crm.leeds) for _ in range(count)]
    data = {"action": "merge_selected", ACTION_CHECKBOX_NAME: [lead.pk for lead in leads]}
    answer = sign_in(crm.manager).post(LIST, data, follow=True)
    assert "Choose 2 to 21 leads to merge." in Page(answer).text
    answer = sign_in(crm.manager).get(address(leads[0]), follow=True)
    assert "Choose two leads or more to merge." in Page(answer).text


def test_leads_of_two_accounts(crm, sign_in, ann):
    strange = factories.lead(account=crm.other, office=crm.whitby)
    data = {"action": "merge_selected", ACTION_CHECKBOX_NAME: [ann.pk, strange.pk]}
    answer = sign_in(crm.superuser).post(LIST, data, follow=True)
    assert "Choose leads of one account" in Page(answer).text
    client = sign_in(crm.superuser)
    answer = client.post(address(ann, strange), chosen(client, ann, strange) | {"_merge": "1"})
    assert "must be leads of the same account" in Page(answer).text
    answer = sign_in(crm.manager).get(address(ann, strange), follow=True)
    assert f"Lead {strange.pk} is not there any more." in Page(answer).text


@pytest.mark.slow
def test_who_may(crm, sign_in, ann, anna):
    far = factories.lead(type=None, office=crm.york)
    for who, status in (("auditor", 403), ("viewer", 403), ("powerless", 403), ("staff", 200), ("superuser", 200)):
        assert sign_in(getattr(crm, who)).get(address(ann, anna)).status_code == status, who
    assert sign_in(crm.staff).get(address(ann, far)).status_code == 302
    done = merge_both(sign_in(crm.staff), ann, anna)
    undo = f"{LIST}merge/{done.pk}/undo/"
    for who, status in (("auditor", 403), ("viewer", 403), ("staff_b", 404), ("other_manager", 404), ("staff", 200)):
        assert sign_in(getattr(crm, who)).get(undo).status_code == status, who
        assert sign_in(getattr(crm, who)).post(undo).status_code in (status, 302), who
    assert Merge.objects.get().undone_by == str(crm.staff)
    actions = Page(sign_in(crm.auditor).get(LIST)).text
    assert "Merge…" not in actions and "Merge…" in Page(sign_in(crm.staff).get(LIST)).text


@pytest.mark.slow
def test_the_page_of_what_was_merged_is_read_only(crm, sign_in, ann, anna):
    client = sign_in(crm.manager)
    Message.objects.create(lead=anna, type="inbound", body="Hello")
    anna.refresh_from_db()
    form = Page(client.get(page_of(anna))).form("lead_form")
    merge_both(client, ann, anna)
    page = Page(client.get(page_of(anna)))
    assert "This lead was merged into Ann Lee. It is kept as it was, and can only be read." in page.text
    assert f"Merged into lead {ann.pk}" in page.text and page_of(ann) in page.links
    assert "_save" not in page.names and "Refer to another" not in page.text and "Add outbound" not in page.text
    answer = client.post(page_of(anna), form | {"first_name": "Zoe"}, follow=True)
    assert "Anna Lee was merged into Ann Lee meanwhile. Nothing of yours is stored." in Page(answer).text
    assert Lead.with_merged.get(pk=anna.pk).first_name == "Anna"
    assert client.get(f"{LIST}{anna.pk}/delete/").status_code == 403
    assert client.get(f"/admin/leads/message/add/?lead={anna.pk}").status_code == 404
    assert sign_in(crm.staff_b).get(page_of(anna)).status_code == 404
    assert sign_in(crm.other_manager).get(page_of(anna)).status_code == 404
    assert sign_in(crm.auditor).get(page_of(anna)).status_code == 200


def test_it_is_on_no_page_of_leads(crm, sign_in, ann, anna):
    client = sign_in(crm.manager)
    tag = Tag.objects.create(account=crm.account, name="vip")
    for lead in (ann, anna):
        lead.tags.add(tag)
    merge_both(client, ann, anna)
    for query in ("", "?q=anna", "?owner=none", f"?tag={tag.pk}", f"?office={crm.leeds.pk}"):
        assert page_of(anna) not in Page(client.get(f"{LIST}{query}")).links, query
    assert "Anna" not in Page(client.get("/admin/")).text
    assert "Anna" not in client.get("/admin/search/?s=anna").content.decode()
    found = client.get("/admin/autocomplete/?term=anna&app_label=leads&model_name=lead&field_name=parent").json()
    assert found["results"] == []
    assert f'?tag={tag.pk}">1</a>' in client.get("/admin/leads/tag/").content.decode()


def test_undoing_it(crm, sign_in, ann, anna):
    client = sign_in(crm.manager)
    done = merge_both(client, ann, anna)
    Lead.objects.filter(pk=ann.pk).update(score=50)
    Lead.objects.get(pk=ann.pk)
    ann.refresh_from_db()
    ann.set("city", "Bath")
    ann.save()
    undo = f"{LIST}merge/{done.pk}/undo/"
    assert undo in Page(client.get(page_of(ann))).links
    page = Page(client.get(undo))
    assert "Anna Lee comes back as it was" in page.text and "gets back what it had before: City" in page.text
    page = Page(client.post(undo, follow=True))
    assert "The merge is undone. Back: Anna Lee. Changed since, and left as it is: City." in page.text
    assert "Merge undone" in page.text and "Merged from" not in page.text
    assert "Back from a merge" in Page(client.get(page_of(anna))).text
    page = Page(client.get(undo))
    assert "This merge cannot be undone It was undone already." in page.text
    assert "undone already" in Page(client.post(undo, follow=True)).text


def test_after_thirty_days(crm, sign_in, ann, anna):
    client = sign_in(crm.manager)
    done = merge_both(client, ann, anna)
    Merge.objects.update(merged_at=timezone.now() - timedelta(days=31))
    page = Page(client.get(page_of(ann)))
    assert "Merged from Anna Lee" in page.text and "Undo merge" not in page.text
    assert "possible for 30 days" in Page(client.post(f"{LIST}merge/{done.pk}/undo/", follow=True)).text
    assert Lead.with_merged.get(pk=anna.pk).merged_into == ann


def test_deleting_the_master_says_what_goes_with_it(crm, sign_in, ann, anna):
    client = sign_in(crm.manager)
    merge_both(client, ann, anna)
    assert "1 lead that was merged into it goes with it." in Page(client.get(f"{LIST}{ann.pk}/delete/")).text
    client.post(f"{LIST}{ann.pk}/delete/", {"post": "yes"})
    assert not Lead.with_merged.filter(pk__in=(ann.pk, anna.pk)).exists()
