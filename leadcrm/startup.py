"""The first step of every process: read the settings, or say in one line why that cannot be done."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import LazySettings, settings
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
