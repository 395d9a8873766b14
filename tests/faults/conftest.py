from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests import services
from tests.faults.stack import STACKS, Stack


@pytest.fixture(scope="session")
def stack_of() -> Iterator[Callable[[str], Stack]]:
    """A stack by its name; its servers are started when they are first wanted, and end with the tests."""
    started: dict[str, Stack] = {}
    with ExitStack() as running:

        def start(name: str) -> Stack:
            if name != "sqlite" and (reason := services.no_redis()):
                pytest.skip(reason)
            if name not in started:
                started[name] = running.enter_context(STACKS[name]())
            return started[name]

        yield start
