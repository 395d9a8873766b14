"""How much is measured. The quick form measures the same on less: its figures are rougher, its ratios the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    name: str
    # Alternating rounds, and how long one player sends in one of them.
    rounds: int
    seconds: float
    # Deliveries of a player before the rounds.
    warm_up: int
    # Saves by one player in one round, and leads that are created at once.
    saves: int
    bulk: int
    # Rows of a file that is imported.
    imported: int
    # Activities that happen within a minute, and how many seconds that has.
    together: int
    minute: float
    # Requests that are written for one system in one round.
    bodies: int
    # Saves whose way to the receiver is timed.
    samples: int
    # For how many seconds 200 leads are saved in each: a deliver task claims for 20 s, then another one goes on.
    sustained: float
    # For how many seconds a worker's memory, and then its rest, is watched.
    watch: float
    # Deliveries that were sent, and that wait, in the tables that are claimed from.
    finished: int
    waiting: int
    # Large deliveries that wait for a worker: a batch.
    large: int
    # Rows of Webhook History, how often each of its pages is asked for, and how often Next is followed to page50.
    rows: int
    visits: int
    turns: int = 49


FULL = Size(
    "full",
    rounds=7,
    seconds=3.0,
    warm_up=200,
    saves=60,
    bulk=10_000,
    imported=50_000,
    together=10_000,
    minute=15.0,
    bodies=1_000,
    samples=200,
    sustained=60.0,
    watch=40.0,
    finished=10_000_000,
    waiting=1_000_000,
    large=200,
    rows=1_000_000,
    visits=7,
)
QUICK = Size(
    "quick",
    rounds=5,
    seconds=2.0,
    warm_up=100,
    saves=30,
    bulk=10_000,
    imported=50_000,
    together=10_000,
    minute=15.0,
    bodies=500,
    samples=50,
    sustained=25.0,
    watch=20.0,
    finished=1_000_000,
    waiting=100_000,
    large=200,
    rows=100_000,
    visits=5,
)
# For the test that every promised figure is there; its values mean nothing.
SMOKE = Size(
    "smoke",
    rounds=1,
    seconds=0.1,
    warm_up=5,
    saves=2,
    bulk=50,
    imported=60,
    together=20,
    minute=5.0,
    bodies=2,
    samples=2,
    sustained=0.5,
    watch=1.0,
    finished=5_000,
    waiting=2_000,
    large=2,
    rows=4_000,
    visits=1,
    turns=2,
)
