"""Two accounts whose deliveries are the worst that a worker can meet: hostile receivers, and large leads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import django

from benchmarks.process import serve

django.setup()

from benchmarks.processes import records  # noqa: E402
from leads.models import Lead, Message  # noqa: E402
from leads.models.message import LONGEST_BODY, Direction  # noqa: E402
from tests import factories  # noqa: E402

# The body of a large lead is almost as large as bodies may be.
MESSAGES = 28

_number = count(1)


def queue(url: str, hostile: Sequence[str], each: int, large: Sequence[str], saves: int, large_saves: int) -> None:
    """So many webhooks for each hostile path, and one for each path that large bodies go to; then so many saves of a
    small lead, which the hostile ones hear, and of a large one, which the others do."""
    here = records.lead()
    for path in hostile:
        for number in range(each):
            factories.webhook(url + path, name=f"{path} {number}", dialect="standard")
    account = factories.account("Southbank Lets")
    there = records.lead(account=account, office=factories.office("Southbank", account=account))
    for _ in range(MESSAGES):
        Message.objects.create(lead=there, type=Direction.OUTBOUND, body="x" * LONGEST_BODY)
    for path in large:
        factories.webhook(url + path, name=path, dialect="standard", account=account)
    for _ in range(saves):
        _save(here)
    for _ in range(large_saves):
        _save(there)


def _save(lead: Lead) -> None:
    lead.refresh_from_db()
    lead.set("message", f"Could somebody call me? I have tried {next(_number)} times.")
    lead.save()


if __name__ == "__main__":
    serve({"queue": queue})
