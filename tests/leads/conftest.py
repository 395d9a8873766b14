from collections.abc import Iterator
from typing import Any

import pytest

from leads.signals import Fact, happened


@pytest.fixture
def told() -> Iterator[list[Fact]]:
    """What the CRM tells from here on, in its order."""
    facts: list[Fact] = []

    def listen(sender: Any, **kwargs: Any) -> None:
        facts.extend(kwargs["facts"])

    happened.connect(listen)
    yield facts
    happened.disconnect(listen)
