"""Custom fields of which no two leads have the same value, whoever writes."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from leads.changes import unit
from leads.merge import merge, undo
from leads.models import CustomField, Lead, LeadKey
from leads.scope import Scope
from tests import factories
from tests.leads.test_concurrency import Other
from tests.leads.test_intake import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def field():
    return CustomField.objects.create(account=factories.account(), key="reference", label="Reference", unique=True)


def with_reference(value):
    return factories.lead(custom_fields={"reference": value})


def refused(write) -> str:
    with pytest.raises(ValidationError) as error:
        write()
    return error.value.message_dict["custom_fields.reference"][0]


def test_a_value_belongs_to_one_lead(field):
    first = with_reference("A1")
    message = f"belongs to lead {first.pk} already"
    assert refused(lambda: with_reference(" a1")) == message
    second = with_reference("A2")
    second.custom_fields = {"reference": "A1"}
    assert refused(second.save) == message
    assert refused(lambda: Lead.objects.filter(pk=second.pk).update(custom_fields={"reference": "A1"})) == message
    pair = [factories.new_lead(custom_fields={"reference": "B1"}) for _ in range(2)]
    assert refused(lambda: Lead.objects.bulk_create(pair)).startswith("belongs to lead ")
    assert Lead.objects.count() == 2
    with_reference(None)
    with_reference(None)
    factories.lead(account=factories.account("Other"))


def test_a_value_that_was_given_up_is_free(field):
    first = with_reference("A1")
    first.custom_fields = {"reference": "A2"}
    first.save()
    second = with_reference("A1")
    assert refused(lambda: Lead.objects.filter(pk=first.pk).update(custom_fields={"reference": "A1"}))
    second.delete()
    first.custom_fields = {"reference": "A1"}
    first.save()
    assert with_reference("A2").pk


def test_two_leads_change_their_values_for_each_other(field):
    first, second = with_reference("A1"), with_reference("A2")
    with unit():
        for lead, value in ((first, "A2"), (second, "A1")):
            lead.custom_fields = {"reference": value}
            lead.save()
    assert refused(lambda: with_reference("A1")) == f"belongs to lead {second.pk} already"


def test_a_stale_value_goes_to_one_of_two(field):
    first = with_reference("A1")
    Lead.objects.filter(pk=first.pk).update(custom_fields={})
    pair = [factories.new_lead(custom_fields={"reference": "A1"}) for _ in range(2)]
    refused(lambda: Lead.objects.bulk_create(pair))


def test_a_merge_takes_the_value_along_and_its_undoing_gives_it_back(field):
    scope = Scope(factories.account().pk, None)
    master, child = with_reference(None), with_reference("A1")
    done = merge(scope, master.pk, [child.pk])
    assert Lead.objects.get().custom_fields["reference"] == "A1"
    assert refused(lambda: with_reference("A1")) == f"belongs to lead {master.pk} already"
    undo(done)
    assert refused(lambda: with_reference("A1")) == f"belongs to lead {child.pk} already"


def test_a_merge_is_not_undone_over_somebody_who_has_the_value_now(field):
    scope = Scope(factories.account().pk, None)
    master, child = with_reference("A1"), with_reference("A2")
    done = merge(scope, master.pk, [child.pk], {"custom_fields": {"reference": "A2"}})
    taker = with_reference("A1")  # the master's of old
    assert refused(lambda: undo(done)) == f"belongs to lead {taker.pk} already"
    taker.delete()
    undo(done)
    assert refused(lambda: with_reference("A2")) == f"belongs to lead {child.pk} already"


def test_a_field_becomes_unique_once_its_values_are():
    field = CustomField.objects.create(account=factories.account(), key="reference", label="Reference")
    first, second, _ = (with_reference(value) for value in ("A1", "a1 ", "A2"))
    field.unique = True
    with pytest.raises(ValidationError) as error, transaction.atomic():
        field.save()
    assert f"lead {first.pk} and {second.pk}" in error.value.message_dict["unique"][0]
    assert not CustomField.objects.get().unique and not LeadKey.objects.exists()
    second.custom_fields = {}
    second.save()
    field.save()
    assert refused(lambda: with_reference("A1")) == f"belongs to lead {first.pk} already"


def test_a_field_that_is_made_anew_finds_the_old_values(field):
    lead = with_reference("A1")
    field.delete()
    CustomField.objects.create(account=lead.account, key="reference", label="Reference", unique=True)
    assert refused(lambda: with_reference("A1")) == f"belongs to lead {lead.pk} already"


def statements(write) -> list[str]:
    with CaptureQueriesContext(connection) as context:
        write()
    return [query["sql"] for query in context.captured_queries]


def test_nobody_pays_who_has_no_such_field(field):
    lead = with_reference("A1")
    lead.set("city", "Hull")
    assert not [sql for sql in statements(lead.save) if "leadkey" in sql]
    field.unique = False
    field.save()
    assert not [sql for sql in statements(lambda: with_reference("A1")) if "leadkey" in sql]


def test_many_leads_take_as_many_statements_as_few(field):
    def made(first: int, count: int) -> int:
        new = [factories.new_lead(custom_fields={"reference": str(first + number)}) for number in range(count)]
        return len(statements(lambda: Lead.objects.bulk_create(new)))

    made(0, 1)
    assert made(10, 2) == made(100, 20)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_at_once_gets_a_value(field):
    results = at_once(8, lambda number: with_reference("A1"))
    [lead] = Lead.objects.all()
    refusals = [str(result) for result in results if isinstance(result, ValidationError)]
    assert len(refusals) == 7 and all(f"belongs to lead {lead.pk} already" in each for each in refusals)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one transaction write at a time.")
def test_a_field_that_becomes_unique_waits_for_a_write_under_way():
    field = CustomField.objects.create(account=factories.account(), key="reference", label="Reference")
    with_reference("A1")
    field.unique = True
    other = Other(field.save)
    with unit():
        with_reference("A1")
        other.start_and_wait_for_us()
    other.join(10)
    assert isinstance(other.error, ValidationError)
