"""The program's settings, with the Lapps of this app."""

from leadcrm.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.lapps"]  # noqa: F405
