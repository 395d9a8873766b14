"""No list answers what an address typed by hand asks of columns that it has no filter for."""

import pytest
from django.urls import reverse


@pytest.mark.parametrize(
    "query",
    [
        "details__contains=x",
        "id__in=999999999999999999999",
        "email__startswith=o",
        "full_name=Olivia",
        "status=%00",
        "account__webhooks__secret__startswith=a",
    ],
)
def test_unknown_lookups_are_a_bad_request(crm, sign_in, query):
    assert sign_in(crm.manager).get(reverse("admin:leads_lead_changelist") + f"?{query}").status_code == 400


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("leads_apikey", "digest__startswith"),
        ("webhooks_webhook", "secret__startswith"),
        ("leads_user", "password__gt"),
        ("webhooks_automation", "account__webhooks__secret__startswith"),
        ("webhooks_inboundwebhook", "secret__startswith"),
        ("webhooks_receipt", "inbound__secret__startswith"),
        ("webhooks_receipt", "key__digest__startswith"),
        ("webhooks_webhook", "account__api_keys__digest__startswith"),
    ],
)
def test_secrets_cannot_be_guessed_letter_by_letter(crm, sign_in, model, lookup):
    assert sign_in(crm.superuser).get(reverse(f"admin:{model}_changelist") + f"?{lookup}=a").status_code == 400


@pytest.mark.parametrize(
    "query",
    ["status=NEW", "office=1", "created_at_from=2026-01-01", "callable=yes", "p=1", "q=x"],
)
def test_the_filters_of_the_list_work(crm, sign_in, query):
    assert sign_in(crm.manager).get(reverse("admin:leads_lead_changelist") + f"?{query}").status_code == 200


def test_the_filters_of_the_rules_work(crm, sign_in):
    address = reverse("admin:webhooks_automation_changelist")
    for query in ("is_active__exact=1", "kind__exact=rule", f"account__id__exact={crm.account.pk}", "q=greet", "o=2"):
        assert sign_in(crm.superuser).get(f"{address}?{query}").status_code == 200


def test_the_filters_of_the_webhooks_work(crm, sign_in):
    address = reverse("admin:webhooks_webhook_changelist")
    for query in ("state__exact=paused", "dialect__exact=leadpro", f"account__id__exact={crm.account.pk}"):
        assert sign_in(crm.superuser).get(f"{address}?{query}").status_code == 200


def test_the_filters_of_inbound_webhooks_and_receipts_work(crm, sign_in):
    root, account = sign_in(crm.superuser), f"account__id__exact={crm.account.pk}"
    for query in ("enabled__exact=1", "verification__in=hmac", account, "q=website"):
        assert root.get(f"{reverse('admin:webhooks_inboundwebhook_changelist')}?{query}").status_code == 200
    for query in ("status__in=refused", "inbound=1", "received_at_from=2026-11-21", account, "q=jo", "p=1"):
        assert root.get(f"{reverse('admin:webhooks_receipt_changelist')}?{query}").status_code == 200
