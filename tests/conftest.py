import gc
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django.template import RequestContext, Template
from django.template.context import BaseContext
from django.test import TransactionTestCase
from django.test.utils import _TestState
from hypothesis import settings as hypothesis
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer
from pytest_django.plugin import DjangoDbBlocker

from tests import program as programs
from tests.emptying import Emptying
from tests.ground import Ground
from tests.program import Program
from tests.receiver import Receiver
from tests.services import CHROMIUM, no_browser
from tests.settings import SCRATCH
from webhooks.outbound import deliver

# By default no example is too slow: these machines are busy. --hypothesis-profile=fast for a quick look.
# =thorough: ten times as many, for whoever changes what reads what others send.
hypothesis.register_profile("full", deadline=None)
hypothesis.register_profile("thorough", deadline=None, max_examples=1_000)
hypothesis.register_profile("fast", deadline=None, max_examples=10)
hypothesis.load_profile("full")


# What any database answers alike is asked on SQLite alone: these send the ordinary statements of the ORM, which others
# send on both, and judge who may, what is refused, and what an answer looks like. Everything else that meets a database
# is asked on both: locks and races, raw SQL, constraints, migrations, what is kept as JSON, and all on the way from a
# save to its delivery. Of the systems' checklists those of LeadHub, and all events of LeadSquared, go from the API
# through what is stored to the bytes of a body; the others take the same way. LeadEngine's inbound one comes in by the
# door of which tests/webhooks/inbound asks everything on both. Where other tests of a file are asked on both, single
# ones are marked: those of what is refused, or read, before a database hears of it.
ORDINARY = {
    "api": (
        *("test_authentication", "test_companies", "test_docs", "test_errors", "test_kinds", "test_matrix"),
        *("test_offices", "test_opportunities", "test_parser", "test_people", "test_webhook_lapps"),
    ),
    "conformance": ("test_leadengine", "test_leadengine_inbound", "test_leadpro", "test_leadsquared", "test_save_lead"),
    "outbound": ("test_guard",),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--few", action="store_true", help="one case of each test that has several")


def pytest_configure() -> None:
    SCRATCH.mkdir(mode=0o700)
    # The first of these processes is there before the others, and outlives them.
    os.environ.setdefault(programs.RUN, str(SCRATCH))


def pytest_unconfigure() -> None:
    for note in SCRATCH.glob("*/url"):
        # A server of the tests' own may have ended before.
        with suppress(psycopg.OperationalError):
            programs.drop_database(note.read_text())
    shutil.rmtree(SCRATCH, ignore_errors=True)
    if os.environ[programs.RUN] == str(SCRATCH):
        del os.environ[programs.RUN]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Whoever asks for a browser, processes or a database has their marker: none can slip into `make test-fast`, or
    past PostgreSQL."""
    for item in items:
        wanted = getattr(item, "fixturenames", ())
        if "browser" in wanted:
            item.add_marker(pytest.mark.browser)
        if "program" in wanted or "new_program" in wanted:
            item.add_marker(pytest.mark.process)
        if item.get_closest_marker("django_db") or "db" in wanted or "migrated_database" in wanted:
            item.add_marker(pytest.mark.database)
        if item.path.stem in ORDINARY.get(item.path.parent.name, ()):
            item.add_marker(pytest.mark.ordinary)
    yield
    if config.getoption("few"):
        first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
        kept = set(first.values())
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]
    items[:] = _shared_out(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _shared_out(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """In the order in which xdist gives each worker an equal share, of which others later take the end away.

    The first two workers begin with the faults, each half with servers of its own, and those beside them with what
    starts processes, and mostly waits as well; the last keeps the machine busy meanwhile. So the end of the run is not
    spent waiting.
    """
    faults, waiting, others = [], [], []
    for item in items:
        kinds = {marker.name for marker in item.iter_markers()}
        (faults if "faults" in kinds else waiting if kinds & {"process", "slow"} else others).append(item)
    first: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, share in enumerate(first[:2]):
        share += faults[number :: len(first[:2])]
    beside = (faults and (first[2:-1] or first[2:])) or first
    for number, share in enumerate(beside):
        share += waiting[len(waiting) * number // len(beside) : len(waiting) * (number + 1) // len(beside)]
    ordered: list[pytest.Item] = []
    for number, share in enumerate(first, 1):
        room = max(len(items) * number // workers - len(ordered) - len(share), 0)
        ordered += share + others[:room]
        del others[:room]
    return ordered


def pytest_collection_finish() -> None:
    # All that was imported and collected stays to the end: no use looking for garbage in it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="session", autouse=True)
def contexts_of_pages(django_test_environment: None) -> Iterator[None]:
    """Django keeps, for response.context, a copy of the context of everything that is rendered: of each widget of a
    form, each icon of a menu. Here it is that of the page alone, which takes a fifth off the tests of the admin."""
    kept, plain = Template._render, _TestState.saved_data.template_render

    def render(self: Template, context: BaseContext) -> str:
        is_page = context.template is self and isinstance(context, RequestContext)
        return (kept if is_page else plain)(self, context)

    Template._render = render
    yield
    Template._render = kept


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings: None, migrated_database: str) -> Iterator[bool]:
    """The test database is there already: a copy of the migrated one, which migrate finds to be in order."""
    name = connection.creation._get_test_db_name()
    if programs.is_postgresql(migrated_database):
        url = migrated_database.rpartition("/")[0] + f"/{name}"
        programs.drop_database(url)
        programs.copy_database(migrated_database, SCRATCH, name)
    else:
        url = programs.copy_database(migrated_database, SCRATCH, Path(name).name)
    yield True
    connection.close()
    programs.drop_database(url)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database, which is emptied by a shorter way; see tests/emptying.py."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        emptying = Emptying()
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: emptying(case))
        with django_db_blocker.block():
            yield


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    # What an earlier test counted would be shown, and would end in the middle of this one.
    cache.clear()
    # Ids come again: how the receiver of an earlier webhook answered says nothing about this one.
    deliver.windows.cache_clear()


@pytest.fixture(autouse=True)
def no_ground_below_commits(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> None:
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        with django_db_blocker.unblock():
            Ground.close_all()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A loopback receiver that records raw requests and answers as told; see tests/receiver.py."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return programs.migrated_database(tmp_path_factory.mktemp("migrated"))


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
