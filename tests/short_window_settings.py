"""The program's settings, with a shorter minute for what is sent together: SHORT_WINDOW seconds."""

import os

from leadcrm.settings import *  # noqa: F403

WEBHOOK_GROUP_WINDOW = float(os.environ["SHORT_WINDOW"])
