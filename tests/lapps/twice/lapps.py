from collections.abc import Mapping
from typing import Any

from webhooks.lapp import Call, lapp


@lapp(label="Echo", description="Another one.")
def echo(body: Any, query: Mapping[str, str], call: Call) -> None:
    """Never called."""
