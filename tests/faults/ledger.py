"""Three ledgers, and what they say of each other.

committed   every event whose transaction committed, read from the leads themselves: no table of the webhooks is asked
received    what the receiver had stored for good before it answered
history     our own rows

A lead's address says which lead it is and which version of it: "a7.3" is the third version of the lead a7. So a body
can be judged by what was saved, and a version that nobody saved is seen.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
import standardwebhooks

# A receiver refuses what was signed longer ago; standardwebhooks' own bound.
TOLERANCE = 300.0


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """One event as one webhook is to hear it."""

    webhook: str
    lead: int
    version: int


@dataclass(frozen=True, slots=True)
class Lead:
    """A row of the CRM at the end."""

    id: int
    version: int
    address: str

    @property
    def name(self) -> str:
        return self.address.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request as it arrived. `at` is time.monotonic(), `wall` time.time()."""

    webhook: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    wall: float

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def told(self) -> Told | None:
        """What it claims to be, None where it does not say."""
        record, _, version = self.headers.get("webhook-record", "").partition(";version=")
        kind, _, number = record.partition("/")
        if kind != "lead" or not (number.isdigit() and version.isdigit()):
            return None
        return Told(self.webhook, int(number), int(version))


@dataclass(frozen=True, slots=True)
class Try:
    outcome: str
    code: int | None

    @property
    def taken(self) -> bool:
        """The receiver answered that it has it, and we know."""
        return self.outcome == "answered" and self.code is not None and 200 <= self.code < 300


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery of the history, with its attempts and its stored bytes."""

    told: Told
    message_id: str
    status: str
    tries: int
    body: bytes | None
    attempts: tuple[Try, ...] = ()
    # Attempts that say that they used a try.
    counted: int = 0


@dataclass(frozen=True, slots=True)
class Ledgers:
    committed: Sequence[Lead]
    received: Sequence[Receipt]
    history: Sequence[Row]
    # Webhook -> its secret.
    secrets: Mapping[str, str]
    # (lead, version) -> time.monotonic() soon after its COMMIT, of those whose writer lived to tell.
    commits: Mapping[tuple[int, int], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Balance:
    """What is wrong, each by its own name, and how long it took."""

    events: int
    requests: int
    lost: list[Told]
    unexpected: list[str]
    # A lead whose address is not that of its version: part of a change was stored.
    torn: list[Lead]
    # webhook-ids that are not those of the history, or two for one event and webhook.
    strange_ids: list[str]
    # webhook-id -> how often more than once it came.
    copies: dict[str, int]
    # Those that no lost claim, no failed try and no cut explains.
    unexplained: list[str]
    mismatched: list[str]
    badly_signed: list[str]
    # Requests that arrived, and tries that were counted, of which no Attempt tells.
    hidden: list[str]
    # Deliveries that ended otherwise than in success, or have not ended.
    unfinished: dict[str, int]
    # Claims whose holder never told how they went.
    deaths: int
    # Seconds from a COMMIT to the first arrival, with how often its claim was lost meanwhile.
    waits: list[tuple[float, int]]
    # The longest time in which nothing arrived although something was to be sent.
    silence: float

    @property
    def duplicates(self) -> int:
        return sum(self.copies.values())

    @property
    def longest_wait(self) -> float:
        return max((seconds for seconds, _ in self.waits), default=0.0)


def balance(ledgers: Ledgers) -> Balance:
    expected = {
        Told(webhook, lead.id, version): f"{lead.name}.{version}"
        for lead in ledgers.committed
        for version in range(1, lead.version + 1)
        for webhook in ledgers.secrets
    }
    rows = {row.message_id: row for row in ledgers.history}
    first: dict[Told, float] = {}
    ids: defaultdict[Told, set[str]] = defaultdict(set)
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    arrived: Counter[str] = Counter()
    unexpected, mismatched, badly_signed = [], [], []
    for receipt in ledgers.received:
        told = receipt.told
        arrived[receipt.id] += 1
        bodies[receipt.id].add(receipt.body)
        if told is None or told not in expected:
            unexpected.append(f"{told} {receipt.id}")
            continue
        first[told] = min(receipt.at, first.get(told, receipt.at))
        ids[told].add(receipt.id)
        if _address(receipt.body) != expected[told]:
            mismatched.append(f"{receipt.id} tells {_address(receipt.body)} for {expected[told]}")
        if not genuine(receipt, ledgers.secrets[receipt.webhook]):
            badly_signed.append(receipt.id)
    mismatched += [pk for pk, seen in bodies.items() if len(seen) > 1]
    mismatched += [pk for pk, row in rows.items() if row.body is not None and bodies[pk] - {row.body}]
    copies = {pk: count - 1 for pk, count in arrived.items() if count > 1}
    return Balance(
        events=len(expected),
        requests=len(ledgers.received),
        lost=sorted(expected.keys() - first.keys()),
        unexpected=unexpected,
        torn=[lead for lead in ledgers.committed if lead.address.rpartition(".")[2] != str(lead.version)],
        strange_ids=[f"{told}: {sorted(seen)}" for told, seen in ids.items() if len(seen) > 1]
        + [pk for pk in arrived if pk not in rows],
        copies=copies,
        unexplained=[pk for pk, extra in copies.items() if extra > _excuses(rows.get(pk))],
        mismatched=mismatched,
        badly_signed=badly_signed,
        hidden=[
            pk for pk, row in rows.items() if arrived[pk] > len(row.attempts) or (row.tries and row.tries > row.counted)
        ],
        unfinished=dict(Counter(row.status for row in ledgers.history if row.status != "success")),
        deaths=sum(attempt.outcome == "lost" for row in ledgers.history for attempt in row.attempts),
        waits=_waits(ledgers, first, rows),
        silence=_silence(ledgers, first),
    )


def genuine(receipt: Receipt, secret: str) -> bool:
    """Does each signature fit? Asked of other people's code: standardwebhooks, and PyJWT where there is a token."""
    try:
        signed_at = int(receipt.headers["webhook-timestamp"])
        # Their string is base64; a secret of any other form is its bytes.
        key = secret if secret.startswith("whsec_") else secret.encode()
        ours = standardwebhooks.Webhook(key).sign(
            receipt.id, datetime.fromtimestamp(signed_at, UTC), receipt.body.decode()
        )
        genuine = ours in receipt.headers["webhook-signature"].split() and abs(receipt.wall - signed_at) <= TOLERANCE
        if token := receipt.headers.get("authorization", "").removeprefix("Bearer "):
            claims = jwt.decode(token, secret.encode(), algorithms=["HS256"])
            genuine = genuine and claims == json.loads(receipt.body)
    except (KeyError, ValueError, jwt.InvalidTokenError):
        return False
    return genuine


def _address(body: bytes) -> Any:
    try:
        return json.loads(body)["data"]["address"]
    except (ValueError, KeyError, TypeError):
        return None


def _excuses(row: Row | None) -> int:
    return sum(not attempt.taken for attempt in row.attempts) if row else 0


def _waits(ledgers: Ledgers, first: Mapping[Told, float], rows: Mapping[str, Row]) -> list[tuple[float, int]]:
    lost = {row.told: sum(attempt.outcome == "lost" for attempt in row.attempts) for row in rows.values()}
    return [
        (at - ledgers.commits[told.lead, told.version], lost.get(told, 0))
        for told, at in first.items()
        if (told.lead, told.version) in ledgers.commits
    ]


def _silence(ledgers: Ledgers, first: Mapping[Told, float]) -> float:
    """Between two arrivals, counted from when something began to wait for the second one."""
    steps: list[tuple[float, int]] = []
    for told, arrived in first.items():
        committed = ledgers.commits.get((told.lead, told.version))
        if committed is not None:
            # It may arrive before its writer has looked at the clock.
            steps += [(committed, 1), (max(committed, arrived), -1)]
    longest, waiting, since = 0.0, 0, 0.0
    for moment, step in sorted(steps, key=lambda pair: (pair[0], -pair[1])):
        if step < 0:
            longest = max(longest, moment - since)
        if step < 0 or not waiting:
            since = moment
        waiting += step
    return longest


def read_received(lines: Iterable[str]) -> list[Receipt]:
    """From the receiver's file. A line that was cut off by its death was never answered, and does not count."""
    found = []
    for line in lines:
        if line.endswith("\n"):
            one = json.loads(line)
            found.append(Receipt(one["webhook"], one["headers"], one["body"].encode("latin-1"), one["at"], one["wall"]))
    return found
