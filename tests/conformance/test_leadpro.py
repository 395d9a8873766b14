"""LeadPro's checklist, a test for each of its lines, and the proof that the tests would notice."""

from __future__ import annotations

import pytest

from leads import fields, validation
from tests.conformance.leadpro_rows import KEYS, ROWS
from tests.conformance.world import World
from webhooks.dialects import leadpro
from webhooks.outbound import deliver

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(receiver, settings, request):
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    yield World.build(receiver, lambda: request.getfixturevalue("program"))
    deliver.door.cache_clear()


def test_every_line_has_its_row():
    assert sorted(ROWS, key=lambda name: int(name[3:])) == [f"LP-{number}" for number in range(1, 132)]


# It starts the program itself: not by a fixture, which all the others would pay for.
REAL = {"LP-131": pytest.mark.process}


@pytest.mark.parametrize("name", [pytest.param(name, marks=REAL.get(name, ())) for name in ROWS])
def test_leadpro(name, world):
    ROWS[name](world)


# Sabotage: each rule and each key is switched off in turn; the row that is named for it has to fail.

ROW_OF_RULE = {
    "text": "LP-14",
    "control_characters": "LP-43",
    "length": "LP-14",
    "email": "LP-17",
    "choice": "LP-26",
    "number": "LP-77",
    "digits": "LP-130",
    "decimals": "LP-77",
    "integer": "LP-130",
    "boolean": "LP-75",
    "reference": "LP-79",
    "hours": "LP-46",
    "iso_dates": "LP-45",
    "string_values": "LP-48",
    "pairs_of_two": "LP-50",
    "comparables": "LP-87",
    "bytes": "LP-47",
    "required": "LP-20",
    "required_address": "LP-33",
    "required_advert": "LP-37",
    "required_reference": "LP-124",
    "contactable": "LP-20",
    "type_kept": "LP-20",
    "kept": "LP-53",
}


def test_every_rule_of_leadpro_has_its_row():
    judged = [field for field in fields.FIELDS if "leadpro" in field.systems and field.kind != "datetime"]
    asked = {rule for field in judged for rule in validation.RULES_OF_KIND[field.kind]}
    asked |= {rule for profile in (validation.LEADPRO, validation.UNTYPED) for rule, _ in profile.rules}
    assert set(ROW_OF_RULE) == asked


@pytest.mark.parametrize("rule", ROW_OF_RULE)
def test_a_rule_that_is_off_is_noticed(rule, world, monkeypatch):
    monkeypatch.delitem(validation.RULES, rule)
    with pytest.raises(AssertionError):
        ROWS[ROW_OF_RULE[rule]](world)


ROW_OF_KEY = {
    "id": "LP-13",
    "first_name": "LP-14",
    "last_name": "LP-15",
    "full_name": "LP-16",
    "email": "LP-17",
    "phone": "LP-18",
    "type": "LP-20",
    "source": "LP-27",
    "address": "LP-29",
    "postcode": "LP-30",
    "advert_address": "LP-31",
    "advert_postcode": "LP-32",
    "advert_url": "LP-40",
    "advert_image": "LP-41",
    "title": "LP-42",
    "message": "LP-43",
    "appointment_availability": "LP-44",
    "meta": "LP-47",
    "questionnaire": "LP-49",
    "parentId": "LP-51",
    "createdAt": "LP-52",
    "status": "LP-53",
    "stage": "LP-60",
    "gdpr_checkbox": "LP-75",
    "host": "LP-76",
    "average_sale_estimation": "LP-77",
    "average_rent_estimation": "LP-78",
    "office_id": "LP-79",
    "property_reference": "LP-80",
    "property_bedrooms": "LP-81",
    "office_name": "LP-82",
    "minimum_sale_estimation": "LP-83",
    "maximum_sale_estimation": "LP-84",
    "minimum_rent_estimation": "LP-85",
    "maximum_rent_estimation": "LP-86",
    "comparable_props": "LP-88",
    "international": "LP-97",
    "account_id": "LP-98",
    "account_name": "LP-99",
    "referred_by_office_id": "LP-102",
    "referred_by_office_name": "LP-103",
    "referred_by_account_id": "LP-104",
    "referred_by_account_name": "LP-105",
    "property_type": "LP-106",
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_missing_is_noticed(key, world, monkeypatch):
    ours = next(field.key for field in fields.FIELDS if field.wire == key)
    monkeypatch.setattr(leadpro, "KEYS", tuple(each for each in leadpro.KEYS if each != ours))
    with pytest.raises((AssertionError, KeyError)):
        ROWS[ROW_OF_KEY[key]](world)
