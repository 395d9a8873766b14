"""A lead is referred: where to, what is noted, what is refused."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from leads.models import Lead
from leads.refer import offices_for, refer
from tests import factories
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def test_it_goes_to_any_other_office_of_its_account():
    leeds, york = factories.office("Leeds Central"), factories.office("York Minster Gate")
    factories.office("Whitby Quayside", account=factories.account("Harbour Lets"))
    assert [*offices_for(factories.lead(office=leeds))] == [york]
    assert [*offices_for(factories.lead())] == [leeds, york]


def test_it_notes_the_office_and_account_that_it_left():
    leeds, york = factories.office("Leeds Central"), factories.office("York Minster Gate")
    lead = refer(factories.lead(office=leeds), york.pk)
    assert lead == Lead.objects.get()
    assert {
        key: lead.get(key) for key in lead.values() if key.startswith(("office_id", "office_name", "referred"))
    } == {
        "office_id": york.pk,
        "office_name": "York Minster Gate",
        "referred_by_office_id": leeds.pk,
        "referred_by_office_name": "Leeds Central",
        "referred_by_account_id": lead.account_id,
        "referred_by_account_name": "Northgate Homes",
    }
    assert lead.version == 2
    event = Event.objects.order_by("pk").last()
    assert event.type == "lead.updated"
    assert event.frozen.data["referred_by_office_name"] == "Leeds Central"


def test_a_lead_of_no_office_comes_from_its_account():
    york = factories.office("York Minster Gate")
    lead = refer(factories.lead(), york.pk)
    assert (lead.referred_by_office_id, lead.referred_by_office_name) == (None, None)
    assert lead.referred_by_account_name == "Northgate Homes"


def test_it_tells_the_latest_office_that_was_left():
    leeds, york, harrogate = (factories.office(name) for name in ("Leeds", "York", "Harrogate"))
    lead = refer(refer(factories.lead(office=leeds), york.pk), harrogate.pk)
    assert (lead.office, lead.referred_by_office_name) == (harrogate, "York")


def test_what_somebody_else_changed_meanwhile_stays():
    leeds, york = factories.office("Leeds Central"), factories.office("York Minster Gate")
    held = factories.lead(office=leeds)
    Lead.objects.filter(pk=held.pk).update(stage="WON", first_name="Changed")
    lead = refer(held, york.pk)
    assert (lead.stage, lead.first_name, lead.full_name) == ("WON", "Changed", "Changed Hartley")


@pytest.mark.parametrize("office_id", [None, "", "1", True, 1.0, -1, 0, 10**30, 999999, [], {}])
def test_an_office_that_is_none_is_refused(office_id):
    leeds = factories.office("Leeds Central")
    lead = factories.lead(office=leeds)
    with pytest.raises(ValidationError) as caught:
        refer(lead, office_id)
    (error,) = caught.value.error_dict["office_id"]
    assert error.code == "reference"


def test_the_same_office_and_another_accounts_are_refused():
    leeds = factories.office("Leeds Central")
    whitby = factories.office("Whitby Quayside", account=factories.account("Harbour Lets"))
    lead = factories.lead(office=leeds)
    for office, code in ((leeds, "same_office"), (whitby, "reference")):
        with pytest.raises(ValidationError) as caught:
            refer(lead, office.pk)
        assert caught.value.error_dict["office_id"][0].code == code
    assert Lead.objects.get().version == 1
    assert Event.objects.count() == 1


def test_a_lead_that_has_gone_is_missing():
    york = factories.office("York Minster Gate")
    lead = factories.lead()
    Lead.objects.all().delete()
    with pytest.raises(Lead.DoesNotExist):
        refer(lead, york.pk)
