"""The demo, running as real processes, and a browser that is signed in and watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.program import Program

PASSWORD = "a demo of leads"


@pytest.fixture
def demo(new_program: Callable[..., Program]) -> Program:
    """Web server and worker with the demo's data; retries come a hundred times sooner."""
    program = new_program(DEMO_PASSWORD=PASSWORD)
    program.manage("demo")
    program.start()
    return program


@pytest.fixture
def sign_in(browser: Browser, demo: Program) -> Iterator[Callable[..., Page]]:
    """Signs somebody of the demo in, in a fresh profile. At the end no page may have asked another host for anything,
    failed in a script, or broken its Content-Security-Policy."""
    contexts = []
    complaints: list[str] = []

    def watch(page: Page) -> None:
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))

    def sign_in(name: str = "manager", width: int = 1440, height: int = 900, dark: bool = False) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, base_url=demo.url)
        contexts.append(context)
        context.set_default_timeout(15_000)
        context.on("page", watch)
        context.on(
            "request",
            lambda request: None if request.url.startswith((demo.url, "data:")) else complaints.append(request.url),
        )
        # Where Unfold keeps the choice of its theme.
        theme = "dark" if dark else "light"
        context.add_init_script(f"if (location.host) localStorage.setItem('adminTheme', '\"{theme}\"')")
        page = context.new_page()
        page.goto("/")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url("**/admin/")
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert complaints == []
