"""Statements that PostgreSQL keeps a plan of."""

from __future__ import annotations

import pytest
from django.db import connection

from leads import statement
from leads.models import Lead
from tests import factories

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite keeps no plans"),
]


def kept() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall()]


def test_plans_are_kept_for_a_while():
    asked = "SELECT name FROM leads_account WHERE id = %s"
    for _ in range(3):
        assert statement.run(asked, [0]) == []
    assert len([text for text in kept() if "leads_account" in text]) == 1
    statement.forget_plans(age=60)
    assert kept()
    statement.forget_plans(age=0)
    assert not kept()
    assert statement.run(asked, [0]) == []
    assert kept(), "and made anew"


def test_more_values_than_a_statement_has_parameters_are_stored():
    number = statement.MOST_PARAMETERS // len(Lead._meta.concrete_fields) + 50
    leads = [factories.new_lead(email=f"vendor{n}@example.com", phone=f"07{100_000_000 + n}") for n in range(number)]
    Lead.objects.bulk_create(leads)
    assert Lead.objects.count() == number
