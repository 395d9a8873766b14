"""The program's settings, with an application that breaks it: see sabotage.py."""

from leadcrm.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.sabotage.Sabotage"]  # noqa: F405
