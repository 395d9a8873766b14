"""What a filter asks for cannot be deleted: its webhook would fall silent."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from leads.models import Campaign, CustomField, LeadList, Pipeline, Stage, Tag
from tests import factories
from webhooks.models import Webhook

pytestmark = pytest.mark.django_db(transaction=True)


def records():
    account = factories.account()
    pipeline = Pipeline.objects.create(account=account, name="Lettings")
    return {
        "lists": LeadList.objects.create(account=account, name="Newsletter"),
        "campaigns": Campaign.objects.create(account=account, name="Spring"),
        "tags": Tag.objects.create(account=account, name="vip"),
        "office_id": factories.office("Whitby"),
        "pipeline_id": pipeline,
        "pipeline_stage_id": Stage.objects.create(pipeline=pipeline, name="Viewed", code="VIEWING_BOOKED"),
        "custom_fields.region": CustomField.objects.create(account=account, key="region", label="Region"),
    }


@pytest.mark.parametrize(
    "key", ["lists", "campaigns", "tags", "office_id", "pipeline_id", "pipeline_stage_id", "custom_fields.region"]
)
@pytest.mark.parametrize("op", ["is", "one_of"])
def test_what_a_filter_asks_for_stays_until_the_filter_goes(key, op):
    record = records()[key]
    value = {"tags": "vip", "custom_fields.region": "north"}.get(key, record.pk)
    filters = [{"field": key, "op": op, "value": [value] if op == "one_of" else value}]
    webhook = factories.webhook(filters=filters)
    with pytest.raises(ValidationError, match=f"{record} is in the filters of LeadPro production"):
        record.delete()
    assert type(record).objects.filter(pk=record.pk).exists()
    Webhook.objects.filter(pk=webhook.pk).update(filters=[])
    record.delete()
    assert not type(record).objects.filter(pk=record.pk).exists()


def test_a_name_that_a_filter_asks_for_stays():
    vip = records()["tags"]
    webhook = factories.webhook(filters=[{"field": "tags", "op": "is", "value": "vip"}])
    vip.name = "VIP client"
    with pytest.raises(ValidationError, match="vip is in the filters of LeadPro production"):
        vip.save()
    Webhook.objects.filter(pk=webhook.pk).update(filters=[])
    vip.save()


def test_a_choice_that_a_filter_asks_for_stays():
    region = CustomField(account=factories.account(), key="region", label="Region", kind="choice")
    region.choices = ["north", "south"]
    region.save()
    factories.webhook(filters=[{"field": "custom_fields.region", "op": "is", "value": "north"}])
    region.choices = ["west", "north"]
    region.save()
    region.choices = ["North", "west"]
    with pytest.raises(ValidationError, match="north is in the filters of LeadPro production"):
        region.save()


def test_the_former_value_of_a_change_counts_too():
    stage = records()["pipeline_stage_id"]
    factories.webhook(filters=[{"field": "pipeline_stage_id", "op": "changed_from_to", "before": stage.pk}])
    with pytest.raises(ValidationError, match="Viewed is in the filters"):
        stage.delete()


def test_a_pipeline_stays_for_one_of_its_stages():
    made = records()
    factories.webhook(filters=[{"field": "pipeline_stage_id", "op": "is", "value": made["pipeline_stage_id"].pk}])
    with pytest.raises(ValidationError, match="Viewed is in the filters"):
        made["pipeline_id"].delete()
    assert Pipeline.objects.filter(name="Lettings").exists()


def test_what_no_filter_of_the_account_names_can_go():
    made = records()
    other = factories.account("Harbour Lets")
    same_number = [{"field": "campaigns", "op": "is", "value": made["lists"].pk}]
    factories.webhook(name="other field", filters=same_number)
    factories.webhook(name="theirs", account=other, filters=[{"field": "lists", "op": "is", "value": made["lists"].pk}])
    factories.webhook(name="broken", filters=["lists"])
    made["lists"].delete()
    assert not LeadList.objects.exists()
