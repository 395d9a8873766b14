"""The first step of every process: read the settings, or say in one line why that cannot be done."""

import os
import sys

from django.conf import LazySettings, settings
from django.core.exceptions import ImproperlyConfigured


def settings_or_exit() -> LazySettings:
    """The loaded settings. A setting that is missing or wrong ends the process with code 1 and one line on stderr."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadcrm.settings")
    try:
        # The first look at any setting loads them all.
        settings.SECRET_KEY  # noqa: B018
    except ImproperlyConfigured as refusal:
        sys.exit(f"leadcrm does not start: {refusal}")
    return settings
