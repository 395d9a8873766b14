"""The first step of every process: read the settings, or say in one line why that cannot be done."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.conf import LazySettings, settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured


@contextmanager
def refusal_in_one_line() -> Iterator[None]:
    """Settings that refuse to load end the process with code 1 and one line on stderr; all else passes through."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadcrm.settings")
    try:
        yield
    except ImproperlyConfigured as refusal:
        if settings.configured:
            raise
        sys.exit(f"leadcrm does not start: {refusal}")


def settings_or_exit() -> LazySettings:
    with refusal_in_one_line():
        # The first look at any setting loads them all.
        settings.SECRET_KEY  # noqa: B018
    return settings


def checked() -> None:
    """Ends the process, as `manage.py` does, where settings break a rule that is known only once the apps are there."""
    django.setup()
    faults = [each for each in checks.run_checks() if each.is_serious()]
    if faults:
        sys.exit("\n".join(f"leadcrm does not start: {each.msg}" for each in faults))
