"""The tests' settings, with the Lapps of this app: for the process in which they run."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.lapps"]  # noqa: F405
