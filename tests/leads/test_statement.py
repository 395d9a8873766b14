"""Statements that PostgreSQL keeps a plan of."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import DataError, IntegrityError, ProgrammingError, connection, transaction
from django.db.transaction import TransactionManagementError

from leads import plans, statement
from leads.models import Lead
from tests import factories

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite keeps no plans"),
]

NOW = datetime(2026, 11, 22, 9, 30, 15, 123456, tzinfo=UTC)

# Of one statement on PostgreSQL.
MOST_PARAMETERS = 65_535


def kept() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall()]


def test_plans_are_kept_for_a_while():
    asked = "SELECT name FROM leads_account WHERE id = %s"
    for _ in range(3):
        assert statement.run(asked, [0]) == []
    assert len([text for text in kept() if text.startswith("SELECT name FROM leads_account")]) == 1
    statement.forget_plans(age=60)
    assert kept()
    statement.forget_plans(age=0)
    assert not kept()
    assert statement.run(asked, [0]) == []
    assert kept(), "and made anew"


@pytest.mark.django_db(transaction=True)
def test_a_transaction_whose_first_statement_fails_is_undone_and_the_next_one_is_not():
    rename = "UPDATE leads_account SET name = %s || %s WHERE id = %s"
    account = factories.account()
    for divisor in (0, 1):
        failing = pytest.raises(DataError, match="division by zero") if not divisor else nullcontext()
        with failing, transaction.atomic():
            assert statement.run("SELECT 6 / %s", [divisor]) == [(6,)]
            assert statement.count(rename, ["100 %", " north", account.pk]) == 1
        account.refresh_from_db()
        assert (account.name == "100 % north") == bool(divisor)
    with pytest.raises(ProgrammingError, match="no_such"):
        statement.run("SELECT no_such FROM leads_account WHERE name LIKE '%%north' AND id = %s", [account.pk])


def test_a_text_is_run_with_values_of_any_type_and_more_texts_than_are_kept():
    for number in range(plans.MOST_KEPT + 5):
        assert statement.run(f"SELECT %s + {number}", [1]) == [(number + 1,)]
        for value in (7, 1 << 40, 2.5, Decimal("0.1")):
            assert statement.run("SELECT %s + 1", [value]) == [(value + 1,)]
    assert 0 < len(kept()) <= plans.MOST_KEPT


def test_many_at_once_are_stored_as_one_by_one():
    def lead(number: int) -> Lead:
        return factories.new_lead(
            email=f"vendor{number}@example.com",
            last_name='Größe "O\\Hare"\n',
            score=-3,
            notes="two\tlines\n",
            created_at=NOW,
            modified_date=NOW,
        )

    alone = lead(0)
    alone.save()
    Lead.objects.bulk_create([lead(number) for number in range(1, statement.FEW + 3)])
    own = {"id", "email", "email_key"}
    rows = [
        {key: value for key, value in row.items() if key not in own} for row in Lead.objects.order_by("pk").values()
    ]
    assert len(rows) == statement.FEW + 3
    assert all(row == rows[0] for row in rows)


@pytest.mark.parametrize("many", [1, statement.FEW + 1])
def test_rows_that_cannot_be_stored_are_told_in_djangos_words(many):
    columns, account = ["id", "name", "setup_token"], factories.account()
    with pytest.raises(IntegrityError, match="duplicate key"), transaction.atomic():
        statement.insert("leads_account", columns, [[account.pk, "Twice", ""]] * many)
    with pytest.raises(TransactionManagementError), transaction.atomic():
        transaction.set_rollback(True)
        statement.insert("leads_account", columns, [[account.pk, "Late", ""]] * many)


def test_more_values_than_a_statement_has_parameters_are_stored():
    number = MOST_PARAMETERS // len(Lead._meta.concrete_fields) + 50
    leads = [factories.new_lead(email=f"vendor{n}@example.com", phone=f"07{100_000_000 + n}") for n in range(number)]
    Lead.objects.bulk_create(leads)
    assert Lead.objects.count() == number
