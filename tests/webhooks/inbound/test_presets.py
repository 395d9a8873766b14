"""The field maps to begin with: every row fits the catalogue, and every sample makes a lead."""

from __future__ import annotations

import json

import pytest

from leads import setup as setups
from leads.fields import BY_KEY
from leads.intake import matchable
from leads.validation import judge_value
from webhooks.dialects import leadengine, leadpro, save_lead, standard
from webhooks.inbound import process, translate
from webhooks.models import InboundWebhook, Verification
from webhooks.wire import mapping
from webhooks.wire.presets import PRESETS

pytestmark = pytest.mark.django_db


@pytest.fixture(params=PRESETS)
def preset(request):
    return PRESETS[request.param]


def webhook(account, preset, rows):
    return InboundWebhook(
        account=account,
        name=preset.label,
        mapping=mapping.write(rows),
        only_path=preset.only_path,
        only_values=list(preset.only_values),
        match=preset.match,
    )


def test_every_row_fills_a_field_that_may_be_filled(account, preset):
    setup = setups.of(account.pk)
    rows = preset.rows + preset.records
    assert mapping.read(json.loads(json.dumps(mapping.write(rows)))) == rows
    assert {row.field for row in rows} <= translate.targets(setup).keys()
    assert preset.match in matchable(setup)
    assert preset.verification in Verification.values
    assert (preset.verification == "hmac") == bool(preset.signature_header)
    assert not preset.only_path or mapping.path_fault(preset.only_path) is None


def test_what_a_sample_holds_fits_the_kinds_of_its_fields(account, preset):
    setup = setups.of(account.pk)
    mapped = mapping.translate(preset.sample, preset.rows + preset.records, translate.kinds(setup), translate.read_e164)
    assert not mapped.faults
    full = {key: value for key, value in mapped.values.items() if value is not None}
    assert len(full) >= 5
    assert {key: judge_value(BY_KEY[key], value) for key, value in full.items()} == dict.fromkeys(full)


def test_a_sample_becomes_a_lead(account, preset):
    inbound = webhook(account, preset, preset.rows)
    assert translate.is_wanted(inbound, preset.sample)
    rehearsed = process.rehearse(inbound, preset.sample)
    assert not rehearsed.faults
    assert rehearsed.action == "created"
    assert rehearsed.lead["email"] in json.dumps(preset.sample)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("leadhub", {"event": "lead.deleted", "lead": {"email": "a@example.com"}}),
        ("leadsquared_change", {"Before": {"ProspectID": "1", "EmailAddress": "a@example.com"}, "After": None}),
        ("leadsquared", [{"ProspectActivityId": "1", "RelatedProspectId": "1"}]),
        ("standard", {"type": "lead.deleted", "data": {"email": "a@example.com"}}),
        ("standard", {"type": "task.created", "data": {"name": "Call"}}),
        ("leadpro", {"event": "lead.deleted", "data": {"email": "a@example.com"}}),
        ("leadengine_status", {"data": {"email": "a@example.com"}}),
        ("typeform", {"event_type": "form_response_partial", "form_response": {}}),
        ("facebook_lead_ads", {"object": "page", "entry": []}),
        ("hubspot_workflow", {"properties": {"dealname": {"value": "x"}}}),
    ],
)
def test_what_is_not_about_a_lead_that_is_there_is_not_wanted(account, name, document):
    assert not translate.is_wanted(webhook(account, PRESETS[name], PRESETS[name].rows), document)


def test_all_that_our_own_formats_carry_has_a_row():
    """But for what is ours alone to say: ids, who refers, and what is worked out."""

    def ends(name):
        return {row.path.partition("/")[2] for row in PRESETS[name].rows + PRESETS[name].records}

    assert ends("leadengine_status") == {f"key={key}/value" for key in (*leadengine.FIELDS, "email")}
    assert ends("save_lead") == set(save_lead.NAMES)
    assert {leadpro.NAMES.get(key, key) for key in leadpro.KEYS} - ends("leadpro") == {
        "id",
        "parentId",
        "createdAt",
        "office_id",
        "comparable_props",
        "account_id",
        "account_name",
        *(key for key in leadpro.KEYS if key.startswith("referred_by_")),
    }
    sent = json.loads(standard.sample({}))["data"]
    assert set(sent) - {end.partition("/")[0] for end in ends("standard")} == {
        "id",
        "parent_id",
        "created_at",
        "office_id",
        "comparable_props",
        "account_id",
        "account_name",
        *(key for key in sent if key.startswith("referred_by_")),
        "owner_id",
        "owner_name",
        "pipeline_id",
        "pipeline_stage_id",
        "stage_outcome",
        "company_id",
        "custom_fields",
        "messages",
    }
