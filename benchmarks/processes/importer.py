"""Somebody who brings many leads at once."""

from __future__ import annotations

import csv
import io
import time
from itertools import count

import django
from django.utils import timezone

from benchmarks.process import serve

django.setup()

from leads import roles  # noqa: E402
from leads.imports import columns, reading, work  # noqa: E402
from leads.models import Lead, LeadImport  # noqa: E402
from tests import factories  # noqa: E402
from tests.admin.people import person  # noqa: E402
from webhooks.models import Delivery, Status  # noqa: E402

_number = count(1)


def webhooks(url: str, number: int, dialect: str = "leadpro") -> None:
    """So many webhooks of the account, all of which would hear every lead; LeadPro's those that have a type."""
    for index in range(number):
        factories.webhook(url, name=f"Webhook {index}", dialect=dialect)


def create(number: int) -> float:
    """Seconds that it took to store so many leads. What was queued before counts as sent."""
    Delivery.objects.filter(status=Status.QUEUED).update(status=Status.SUCCESS, finished_at=timezone.now())
    leads = [_vendor(next(_number)) for _ in range(number)]
    began = time.perf_counter()
    Lead.objects.bulk_create(leads)
    return time.perf_counter() - began


def file(number: int) -> None:
    """Upload a file of so many leads and have it brought in: by the worker."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(FIELDS)
    writer.writerows(_cells(row) for row in range(number))
    made = LeadImport(
        account=factories.account(), started_by=person(roles.MANAGER), name="leads.csv", match="business_email"
    )
    made.columns = columns.stored([columns.Column(place, field) for place, field in enumerate(FIELDS)])
    made.source = "newsletter"
    work.store(made, reading.read(io.BytesIO(written.getvalue().encode())))
    work.run(made)


FIELDS = (
    "first_name",
    "last_name",
    "business_email",
    "phone",
    "company_name",
    "job_title",
    "city",
    "postcode",
    "country",
    "tags",
)


def _cells(number: int) -> list[str]:
    return [
        "Olivia",
        f"Hartley {number}",
        f"vendor{number}@example.com",
        f"07{100_000_000 + number}",
        f"Company {number % 5000}",
        "Director",
        "York",
        "YO1 7HH",
        "United Kingdom",
        f"fair;region {number % 20}",
    ]


def _vendor(number: int) -> Lead:
    return factories.new_lead(
        last_name=f"Hartley {number}", email=f"vendor{number}@example.com", phone=f"07{100_000_000 + number}"
    )


if __name__ == "__main__":
    serve({"webhooks": webhooks, "create": create, "file": file})
