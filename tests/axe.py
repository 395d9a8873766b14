"""axe, which judges how accessible a page is, in the browser that shows it."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page


def grave(page: Page, within: str = "", **options: Any) -> list[str]:
    """What it finds serious or critical: rule and element. within: a selector; options: axe's own."""
    # Half a megabyte, read once for all looks of a page; and nobody asks what axe finds in order.
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(
        "([within, options]) => axe.run(within || document, options)",
        [within, {"resultTypes": ["violations"]} | options],
    )
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
