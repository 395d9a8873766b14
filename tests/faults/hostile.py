"""F14 to F17: receivers, certificates and names that fail in every way, all at once, until they are healed.

F14 slow drips, giants, a gzip bomb; F15 resets, half-closes, something else than HTTP; F16 TLS; F17 names. In the short
form the webhooks' time limit is 2 s instead of the system's 15.

Nothing of the program is replaced: its workers live in a mount namespace whose /etc/resolv.conf names a server of ours,
and whose file of authorities has one more. Who may not mount goes without F16 and F17, and is told so.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import certifi
import psutil

from benchmarks.process import Process
from tests.faults import apart
from tests.faults import bad_receivers as bad
from tests.faults.bad_receivers import BadReceiver
from tests.faults.certificates import Authority, old_only
from tests.faults.experiment import Check, Experiment, at_most, none
from tests.faults.ledger import balance
from tests.faults.names import NameServer
from tests.faults.stack import Stack
from tests.faults.trial import Trial
from webhooks.wire.exchange import FailureKind

USUAL = 15
# What a try may take beyond its limit.
SLACK = 1.0
GROWTH = 32.0
# Of an answer's body, whatever its length.
READ = 65_536
MIB = 1 << 20
DNS, TLS, TIMEOUT, RESET, PROTOCOL = (
    FailureKind.DNS,
    FailureKind.TLS,
    FailureKind.TIMEOUT,
    FailureKind.RESET,
    FailureKind.PROTOCOL,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """limit: seconds for a try, None for the system's own; saves: events for each of the receivers."""

    limit: int | None
    saves: int


@dataclass(frozen=True, slots=True)
class Case:
    """host: what stands in the URL; expected: the kinds of failure, or the code, of tries before it is healed."""

    name: str
    receiver: BadReceiver
    expected: tuple[str, ...]
    scheme: str = "http"
    host: str = "127.0.0.1"

    @property
    def webhook(self) -> str:
        return f"standard-{self.name}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.receiver.port}/in"


def hostile(stack: Stack, size: Patience, seed: int) -> list[Check]:
    with ExitStack() as running:
        trial = running.enter_context(_Elsewhere(stack, seed, webhooks=("standard",)))
        cases = _of_receivers()
        names = None
        if apart.possible():
            names = running.enter_context(NameServer())
            cases += _of_tls(trial) + _of_names(trial, names)
        for case in cases:
            running.enter_context(case.receiver)
        staff = running.enter_context(Process("tests.faults.staff", trial.program.environment))
        staff.ask("add", urls={case.webhook: case.url for case in cases}, state="disabled", timeout=size.limit)
        trial.start(web=False)
        trial.writer.ask("save", count=50)
        trial.drain(within=60)
        memory = running.enter_context(_Memory(trial))
        staff.ask("enable", names=[case.webhook for case in cases])
        trial.writer.ask("save", count=size.saves)
        limit = float(size.limit or USUAL)
        twice = _all_tried_twice(trial, cases, within=8 * limit + 30)
        growth = memory.growth()
        failed = _tries(trial)
        every = [one for case in cases for one in failed[case.webhook]]
        for each in (names, *(case.receiver for case in cases)):
            if each is not None:
                each.healed.set()
        ended = _drain(trial, staff, within=4 * limit + 60)
        return [
            Check("each tried twice", "yes", "yes" if twice else "no", twice),
            *(_classified(case, failed[case.webhook]) for case in cases),
            at_most("longest try", max(one.seconds for one in every), limit + SLACK, " s"),
            at_most("most of an answer that was read", max(one.size for one in every), READ),
            at_most("growth of a worker", growth, GROWTH, " MiB"),
            none("events that came under two webhook-ids", _two_ids(cases)),
            Check("all delivered when healed", "yes", "yes" if ended else "no", ended),
            none("not delivered when healed", [case.name for case in cases if not _has_all(case, size.saves)]),
            Check("F16 and F17", "run where we may mount", "run" if names else "not run: no right to mount", True),
            *_balanced(trial),
        ]


def _of_receivers() -> list[Case]:
    return [
        Case("drips-body", BadReceiver(bad.drips_body), (TIMEOUT,)),
        Case("drips-head", BadReceiver(bad.drips_head), (TIMEOUT,)),
        Case("giant", BadReceiver(bad.sends_giant), ("500",)),
        Case("endless-head", BadReceiver(bad.sends_endless_head), (PROTOCOL,)),
        Case("gzip-bomb", BadReceiver(bad.sends_bomb), ("500",)),
        Case("reset", BadReceiver(bad.resets), (RESET,)),
        Case("reset-in-answer", BadReceiver(bad.resets_in_answer), (RESET,)),
        Case("half-close", BadReceiver(bad.half_closes), (RESET,)),
        Case("half-close-at-once", BadReceiver(bad.half_closes_at_once), (RESET,)),
        Case("bad-status-line", BadReceiver(bad.speaks_something_else), (PROTOCOL,)),
    ]


def _of_tls(trial: _Elsewhere) -> list[Case]:
    trusted, stranger = Authority(trial.folder), Authority(trial.folder, "Stranger")
    bundle = trial.folder / "authorities.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes() + trusted.pem)
    trial.places[bundle] = certifi.where()
    good = trusted.server()
    receivers = {
        "expired": BadReceiver(tls=trusted.server(days=-1)),
        "self-signed": BadReceiver(tls=stranger.own()),
        "wrong-host": BadReceiver(tls=trusted.server("127.9.9.9")),
        "unknown-ca": BadReceiver(tls=stranger.server()),
        "old-tls": BadReceiver(tls=old_only(trusted.server())),
        "plain-http": BadReceiver(greet=bad.answers_in_plain),
        "handshake-hangs": BadReceiver(greet=bad.stays_silent),
    }
    for receiver in receivers.values():
        receiver.good_tls = good
    return [
        Case(name, receiver, (TIMEOUT if name == "handshake-hangs" else TLS,), scheme="https")
        for name, receiver in receivers.items()
    ]


def _of_names(trial: _Elsewhere, server: NameServer) -> list[Case]:
    resolver = trial.folder / "resolv.conf"
    resolver.write_text(f"nameserver {server.address}\n")
    trial.places[resolver] = "/etc/resolv.conf"
    return [
        Case(name, BadReceiver(bad.refuses), expected, host=f"{name}.hooks.example.com")
        for name, expected in {
            "missing": (DNS,),
            "silent": (DNS,),
            "broken": (DNS,),
            "empty": (DNS,),
            "moving": ("500", FailureKind.BLOCKED_ADDRESS),
        }.items()
    ]


class _Elsewhere(Trial):
    """Its workers see other files in some places. file -> place, before start()."""

    def __init__(self, stack: Stack, seed: int, *, webhooks: tuple[str, ...]) -> None:
        super().__init__(stack, seed, webhooks=webhooks)
        self.places: dict[Path, str] = {}

    def _start_cluster(self, index: int) -> None:
        pairs = [f"{file}={place}" for file, place in self.places.items()]
        command = ("-m", "tests.faults.apart", *pairs, "--", "manage.py", "worker")
        self._clusters[index] = self.program.run(*(command if pairs else command[-2:]))


class _Memory:
    """What the workers have grown by, at most, since it was entered; they have sent before."""

    def __init__(self, trial: Trial) -> None:
        self._workers = trial.tree().workers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._before = max(map(_resident, self._workers))
        self._most = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def growth(self) -> float:
        """MiB."""
        return max(0.0, self._most - self._before)

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self._most = max(self._most, *map(_resident, self._workers))


def _resident(process: psutil.Process) -> float:
    """MiB, 0 of one that has ended."""
    with suppress(psutil.NoSuchProcess):
        return float(process.memory_info().rss) / MIB
    return 0.0


@dataclass(frozen=True, slots=True)
class _Try:
    """kind: of a failure, or the code of an answer."""

    kind: str
    words: str
    seconds: float
    size: int


def _tries(trial: Trial) -> dict[str, list[_Try]]:
    """By webhook, but for those that were interrupted or lost."""
    found: defaultdict[str, list[_Try]] = defaultdict(list)
    for webhook, failure, code, error, duration, size in trial.program.ask(
        """
        SELECT webhook_name, failure, attempt.code, attempt.error, attempt.duration_ms, response_size
        FROM webhooks_attempt attempt JOIN webhooks_delivery delivery ON delivery.id = attempt.delivery_id
        WHERE number > 0 ORDER BY attempt.id
        """
    ):
        found[webhook].append(_Try(failure or str(code), error or f"answer {code}", duration / 1000, size))
    return found


def _all_tried_twice(trial: Trial, cases: list[Case], within: float) -> bool:
    """One delivery of each; what is refused by the guard is tried no more."""
    limit = time.monotonic() + within
    asked = """
        SELECT webhook_name FROM webhooks_delivery WHERE tries > 1 OR status = 'failure'
        AND webhook_name <> 'standard' GROUP BY webhook_name
    """
    wanted = {case.webhook for case in cases}
    while time.monotonic() < limit:
        if wanted <= {name for (name,) in trial.program.ask(asked)}:
            return True
        time.sleep(0.2)
    return False


def _classified(case: Case, tries: list[_Try]) -> Check:
    """Each try is of a kind that was expected, all kinds were seen, and the words begin with the kind's."""
    kinds = {one.kind for one in tries}
    told = all(one.kind.isdigit() or one.words.startswith(f"{FailureKind(one.kind).words}. ") for one in tries)
    said = "; ".join(sorted({one.words for one in tries}))
    return Check(case.name, " and ".join(case.expected), f"{len(tries)}: {said}", kinds == set(case.expected) and told)


def _drain(trial: Trial, staff: Process, within: float) -> bool:
    """What waits for another try is asked for by hand: its time may be far."""
    limit = time.monotonic() + within
    while time.monotonic() < limit:
        staff.ask("try_now")
        if trial.drain(within=2):
            return True
    return False


def _two_ids(cases: list[Case]) -> list[str]:
    ids: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for case in cases:
        for request in case.receiver.requests:
            ids[case.name, request.record].add(request.id)
    return [f"{name} {record}" for (name, record), found in ids.items() if len(found) > 1]


def _has_all(case: Case, saves: int) -> bool:
    return len({request.record for request in case.receiver.requests if request.healed}) == saves


def _balanced(trial: Trial) -> list[Check]:
    """What the healthy receiver heard meanwhile."""
    ledgers = trial.ledgers()
    own = replace(ledgers, history=[row for row in ledgers.history if row.told.webhook in ledgers.secrets])
    return trial.checks(balance(own), duplicates=0)


EXPERIMENTS = (
    Experiment(
        "F14",
        "Hostile receivers, certificates and names (F14 to F17)",
        hostile,
        short=Patience(limit=2, saves=2),
        full=Patience(limit=None, saves=10),
    ),
)
