"""An import whose worker is killed in the middle: the next one goes on, and each row is one lead, told once."""

from __future__ import annotations

from collections.abc import Callable

from tests.program import Program, wait_until

ROWS = 3000
UPLOAD = f"""
from io import BytesIO
from leads import roles
from leads.imports import columns, reading, work
from leads.imports.columns import Column
from leads.models import LeadImport
from tests import factories
from tests.admin.people import person
factories.webhook(dialect="standard")
job = LeadImport(account=factories.account(), started_by=person(roles.MANAGER), name="fair.csv", match="email")
job.columns = columns.stored([Column(0, "full_name"), Column(1, "email")])
rows = "".join(f"Person {{n}},person{{n}}@example.com\\n" for n in range({ROWS}))
work.store(job, reading.read(BytesIO(f"Name,E-mail\\n{{rows}}".encode())))
work.run(job)
"""
# As if its time had passed: how long a dead worker is waited for is not what is asked here.
LET_GO = "from leads.models import LeadImport; LeadImport.objects.update(held_at=None)"


def test_each_row_is_one_lead_after_kill_9(new_program: Callable[..., Program]):
    program = new_program()
    program.shell(UPLOAD)
    program.start_worker()
    wait_until(lambda: done(program) > 0, 60, "the first batch is stored")
    for process in program.family():
        process.kill()
    program.stop()
    reached = done(program)
    assert 0 < reached < ROWS and stored(program) == [(reached, reached, reached)], "a batch is stored whole or not"
    program.shell(LET_GO)
    program.start_worker()
    wait_until(lambda: done(program) == ROWS, 60, "the import is done")
    assert stored(program) == [(ROWS, ROWS, ROWS)]
    assert program.ask("SELECT state, created, updated, refused FROM leads_leadimport") == [("done", ROWS, 0, 0)]


def done(program: Program) -> int:
    return int(program.ask("SELECT done FROM leads_leadimport")[0][0])


def stored(program: Program) -> list[tuple[int, ...]]:
    """Leads, different addresses, and events of a new lead."""
    return program.ask(
        "SELECT (SELECT count(*) FROM leads_lead), (SELECT count(DISTINCT email) FROM leads_lead), "
        "(SELECT count(*) FROM webhooks_event WHERE type = 'lead.created')"
    )
