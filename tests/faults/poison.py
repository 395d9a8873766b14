"""F12: deliveries that cannot be written, and parents that are gone, among good ones. The short form has fewer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.process import Process
from tests.faults.experiment import Check, Experiment, at_least, none
from tests.faults.ledger import Lead, Ledgers, balance
from tests.faults.stack import Stack
from tests.faults.trial import Trial

DOOMED = "standard-doomed"
KEPT = ("standard", "leadpro")


@dataclass(frozen=True, slots=True)
class Good:
    saves: int
    rounds: int


def poison(stack: Stack, size: Good, seed: int) -> list[Check]:
    """All of it is queued before a worker starts: good ones come first, between and after."""
    poisoned: dict[str, list[str]] = {}
    deleted = []
    with (
        Trial(stack, seed, webhooks=(*KEPT, DOOMED)) as trial,
        Process("tests.faults.staff", trial.program.environment) as staff,
    ):
        for _ in range(size.rounds):
            trial.writer.ask("save", count=size.saves)
            for kind, ids in staff.ask("poison").items():
                poisoned.setdefault(kind, []).extend(ids)
            deleted.append(Lead(*staff.ask("delete_lead")))
        trial.writer.ask("save", count=size.saves)
        cancelled = staff.ask("delete", name=DOOMED)
        trial.start(web=False)
        ended = trial.drain(within=120)
        rows = {
            pk: (status, error)
            for pk, name, status, error in trial.program.ask(
                "SELECT message_id, webhook_name, status, error FROM webhooks_delivery"
            )
            if name != DOOMED
        }
        doomed = trial.program.ask(f"SELECT status FROM webhooks_delivery WHERE webhook_name = '{DOOMED}'")
        ids = {pk for found in poisoned.values() for pk in found}
        found = balance(_good(trial.ledgers(), ids, deleted))
        return [
            Check("nothing waits", "yes", "yes" if ended else "no", ended),
            *(_visible(kind, [rows[pk] for pk in found if pk in rows]) for kind, found in poisoned.items()),
            at_least("deliveries of a deleted webhook", cancelled, size.saves * size.rounds),
            none("of them not Cancelled", [status for (status,) in doomed if status != "cancelled"]),
            at_least("deleted leads, whose deliveries are sent", len(deleted), size.rounds),
            *trial.checks(found, duplicates=0),
        ]


def _good(ledgers: Ledgers, poisoned: set[str], deleted: list[Lead]) -> Ledgers:
    """Without what is poisoned or called off; a lead that is gone was committed all the same."""
    return replace(
        ledgers,
        committed=[*ledgers.committed, *deleted],
        received=[one for one in ledgers.received if one.id not in poisoned],
        history=[row for row in ledgers.history if row.message_id not in poisoned and row.told.webhook != DOOMED],
        secrets={name: secret for name, secret in ledgers.secrets.items() if name != DOOMED},
    )


def _visible(kind: str, rows: list[tuple[str, str]]) -> Check:
    """Each has ended as a Failure that says why."""
    held = bool(rows) and all(status == "failure" and error for status, error in rows)
    said = "; ".join(sorted({f"{status}: {error}" for status, error in rows}))
    return Check(kind, "Failure with a reason", f"{len(rows)}: {said}", held)


EXPERIMENTS = (Experiment("F12", "Poison", poison, short=Good(saves=10, rounds=2), full=Good(saves=250, rounds=10)),)
