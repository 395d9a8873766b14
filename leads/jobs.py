"""Background work by name, for callers that do not know who runs it.

A job is asked for with its name and ids, nothing else: a queued job may be lost, or run three times, and it must not
matter. So each job has rows of its own that say what is left to do, and `waiting` reads them: whatever it names is
asked for again by the sweep, and by the worker's clock every second where the job is due by the second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Ids = tuple[int | str, ...]
Runner = Callable[..., None]


class UnknownJob(LookupError):
    pass


@dataclass(frozen=True, slots=True)
class Job:
    """`run` and `waiting` are dotted paths: of run(*ids), and of waiting(), which names the ids still owed.

    by_the_second: `waiting` is asked every second, by an idle worker too, and has to be cheap.
    """

    name: str
    run: str
    waiting: str
    by_the_second: bool = False


_jobs: dict[str, Job] = {}
_runners: list[Runner] = []
_stops: list[Callable[[], bool]] = []


def declare(name: str, *, run: str, waiting: str, by_the_second: bool = False) -> Job:
    """Make a job known, at start-up, in every process."""
    job = _jobs[name] = Job(name, run, waiting, by_the_second)
    return job


def named(name: str) -> Job:
    """Raises UnknownJob."""
    try:
        return _jobs[name]
    except KeyError:
        raise UnknownJob(f"No job is called {name!r}.") from None


def declared() -> tuple[Job, ...]:
    return tuple(_jobs.values())


def hand_to(runner: Runner, stops: Callable[[], bool] = bool) -> None:
    """Name who takes the jobs: runner(name, *ids), and who says whether they are to end. The latest one counts."""
    _runners[:] = [runner]
    _stops[:] = [stops]


def stopping() -> bool:
    """Whether whoever runs this job is about to stop: what is left is for another one."""
    return any(stops() for stops in _stops)


def start(name: str, *ids: int | str) -> None:
    """Have the job done after the open transaction, if any, is committed. Raises UnknownJob."""
    named(name)
    for runner in _runners:
        runner(name, *ids)
