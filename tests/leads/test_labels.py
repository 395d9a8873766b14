"""Tags, lists and campaigns: every write of the relation, from either side, is a fact about the leads."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from leads.changes import unit
from leads.models import Campaign, Lead, LeadList, Tag
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(told):
    lead = factories.lead()
    told.clear()
    return lead


def tag(name: str = "vip") -> Tag:
    return Tag.objects.create(account=factories.account(), name=name)


def types(told):
    return [fact.type for fact in told]


UPDATED = ["lead.field_changed", "lead.updated"]


def test_adding_and_removing_is_told(lead, told):
    vip = tag()
    lead.tags.add(vip)
    assert types(told) == UPDATED
    assert told[-1].changes == {"tags": ([], ["vip"])}
    assert (told[-1].snapshot["tags"], told[-1].version, Lead.objects.get().version) == (["vip"], 2, 2)
    told.clear()
    lead.tags.remove(vip)
    assert told[-1].changes == {"tags": (["vip"], [])}
    assert Lead.objects.get().version == 3


@pytest.mark.parametrize(
    "write",
    [
        lambda lead, vip: vip.leads.add(lead),
        lambda lead, vip: vip.leads.set([lead]),
        lambda lead, vip: lead.tags.set([vip]),
        lambda lead, vip: lead.tags.add(vip.pk),
        lambda lead, vip: lead.tags.get_or_create(name="new", defaults={"account": lead.account}),
        lambda lead, vip: lead.tags.create(name="new", account=lead.account),
        lambda lead, vip: lead.tags.update_or_create(name="new", defaults={"account": lead.account}),
    ],
    ids=["reverse add", "reverse set", "set", "by key", "get_or_create", "create", "update_or_create"],
)
def test_every_way_of_writing_is_told(lead, told, write):
    write(lead, tag())
    assert types(told) == UPDATED
    assert told[-1].record_id == lead.pk


def test_clearing_from_the_other_side_is_told_of_each_lead(lead, told):
    other = factories.lead(email="other@example.com")
    vip = tag()
    vip.leads.add(lead, other)
    told.clear()
    vip.leads.clear()
    assert sorted(fact.record_id for fact in told if fact.type == "lead.updated") == [lead.pk, other.pk]


@pytest.mark.parametrize("delete", [lambda one: one.delete(), lambda one: Tag.objects.filter(pk=one.pk).delete()])
def test_deleting_a_label_is_told_of_its_leads(lead, told, delete):
    vip = tag()
    lead.tags.add(vip)
    told.clear()
    delete(vip)
    assert types(told) == UPDATED
    assert told[-1].changes == {"tags": (["vip"], [])}


def test_what_changes_nothing_tells_nothing(lead, told):
    vip = tag()
    lead.tags.add(vip)
    told.clear()
    lead.tags.add(vip)
    lead.tags.set([vip])
    with unit():
        lead.tags.remove(vip)
        lead.tags.add(vip)
    assert told == []
    assert Lead.objects.get().version == 2


def test_a_rolled_back_write_tells_nothing(lead, told):
    vip = tag()
    with unit(), pytest.raises(RuntimeError), transaction.atomic():
        lead.tags.add(vip)
        raise RuntimeError
    assert told == []


def test_a_save_with_labels_is_one_set_of_facts(told):
    lead = factories.new_lead()
    lead.set("tags", ["vip", "VIP", "investor"])
    lead.save()
    assert types(told) == ["lead.created"]
    assert told[0].snapshot["tags"] == ["vip", "investor"]
    assert told[0].version == 1
    told.clear()
    lead.set("tags", ["investor"])
    lead.score = 5
    lead.save()
    assert types(told) == ["lead.score_changed", *UPDATED]
    assert told[0].changes == {"score": (0, 5), "tags": (["vip", "investor"], ["investor"])}
    assert lead.get("tags") == ["investor"]


def test_leads_that_are_made_at_once_have_their_labels(told):
    leads = [factories.new_lead(email=f"lead{number}@example.com") for number in range(2)]
    for lead in leads:
        lead.set("tags", ["vip", lead.email])
    Lead.objects.bulk_create(leads)
    assert [fact.snapshot["tags"] for fact in told] == [["vip", lead.email] for lead in leads]
    assert Lead.objects.get(pk=leads[1].pk).get("tags") == ["vip", "lead1@example.com"]


def test_names_that_were_not_saved_are_dropped_by_a_refresh(lead):
    lead.set("tags", ["vip"])
    lead.refresh_from_db()
    assert lead.get("tags") == []


def test_lists_and_campaigns_have_to_be_there(lead):
    for key in ("lists", "campaigns"):
        lead.set(key, ["Nowhere"])
        with pytest.raises(ValidationError) as error:
            lead.save()
        assert error.value.error_dict[key][0].code == "reference"
        lead.set(key, [])
    assert (LeadList.objects.count(), Campaign.objects.count()) == (0, 0)


def test_campaigns_keep_the_order_of_joining(lead, told):
    first, second = (Campaign.objects.create(account=lead.account, name=name) for name in ("B", "A"))
    lead.campaigns.add(first)
    lead.campaigns.add(second)
    assert told[-1].snapshot["campaigns"] == [{"id": first.pk, "name": "B"}, {"id": second.pk, "name": "A"}]


def test_of_several_that_are_given_at_once_the_last_is_the_one_joined_last(lead, told):
    for name in ("Winter", "Autumn", "Spring"):
        Campaign.objects.create(account=lead.account, name=name)
    for names in (["Spring", "Winter"], ["Spring", "Winter", "Autumn"], ["Autumn", "Spring", "autumn"]):
        lead.set("campaigns", names)
        lead.save()
    found = [[one["name"] for one in fact.snapshot["campaigns"]] for fact in told if fact.type == "lead.updated"]
    assert found == [["Spring", "Winter"], ["Spring", "Winter", "Autumn"], ["Spring", "Autumn"]]


def test_a_label_of_another_account_is_refused(lead, told):
    foreign = Tag.objects.create(account=factories.account("Elsewhere"), name="vip")
    for write in (lambda: lead.tags.add(foreign), lambda: foreign.leads.add(lead)):
        with pytest.raises(ValidationError):
            write()
    assert (told, lead.tags.count()) == ([], 0)


@pytest.mark.parametrize(
    ("name", "other"), [("vip", "VIP"), ("Élan", "élan"), ("straße", "STRASSE"), ("\xe9", "e\u0301")]
)
def test_a_name_is_there_once_per_account_however_it_is_written(lead, name, other):
    tag(name)
    with pytest.raises(IntegrityError), transaction.atomic():
        tag(other)
    lead.set("tags", [other])
    lead.save()
    assert lead.get("tags") == [name]
    Tag.objects.create(account=factories.account("Elsewhere"), name=name)


def test_a_deleted_lead_is_told_with_its_labels(lead, told):
    lead.tags.add(tag())
    told.clear()
    lead.delete()
    assert types(told) == ["lead.deleted"]
    assert told[0].snapshot["tags"] == ["vip"]
