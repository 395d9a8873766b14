from tests.lapps.program_settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.lapps.twice"]  # noqa: F405
