"""The systems' checklists; a test whose name says that something is, or are, noticed breaks the program on purpose."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "conformance" in item.path.parts:
            item.add_marker(pytest.mark.conformance)
            if "noticed" in item.name.partition("[")[0]:
                item.add_marker(pytest.mark.sabotage)
