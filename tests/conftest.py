import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests import program as programs
from tests.program import Program
from tests.receiver import Receiver
from tests.services import CHROMIUM, no_browser
from tests.settings import SCRATCH


def pytest_configure() -> None:
    SCRATCH.mkdir(mode=0o700)


def pytest_unconfigure() -> None:
    shutil.rmtree(SCRATCH, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for a browser or for processes has their marker: none can slip into `make test-fast`."""
    for item in items:
        wanted = getattr(item, "fixturenames", ())
        if "browser" in wanted:
            item.add_marker(pytest.mark.browser)
        if "program" in wanted or "new_program" in wanted:
            item.add_marker(pytest.mark.process)
    # What mostly waits goes first, beside what computes: the end of the run is not spent waiting.
    items.sort(key=lambda item: not any(map(item.get_closest_marker, ("process", "faults"))))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A loopback receiver that records raw requests and answers as told; see tests/receiver.py."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = programs.migrated_database(tmp_path_factory.mktemp("migrated"))
    yield url
    programs.drop_database(url)


@pytest.fixture
def new_program(tmp_path: Path, migrated_database: str) -> Iterator[Callable[..., Program]]:
    """Makes a Program with an empty, migrated database; keyword arguments change its environment. Starts nothing."""
    made: list[Program] = []

    def make(**changes: str) -> Program:
        folder = tmp_path / f"program{len(made)}"
        folder.mkdir()
        made.append(Program(folder, programs.copy_database(migrated_database, folder), **changes))
        return made[-1]

    yield make
    for program in made:
        program.stop()
        programs.drop_database(program.environment["DATABASE_URL"])


@pytest.fixture
def program(new_program: Callable[..., Program]) -> Program:
    """The web server and the worker, both running; retries come a hundred times sooner, and the loopback is allowed."""
    program = new_program()
    program.start()
    return program


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if reason := no_browser():
        pytest.skip(reason)
    # Playwright keeps an event loop in this thread, which Django takes for a reason to refuse its database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            headless=True,
            args=[
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a fresh browser profile, 1440 px wide."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def live_server(django_db_setup: None, live_server: LiveServer) -> LiveServer:
    """pytest-django's, after the test database: before, it takes the one in memory of our settings for it, and gives
    all its threads one connection, which crashes SQLite."""
    return live_server
