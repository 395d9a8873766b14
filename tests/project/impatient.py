"""The web server as it is shipped, but with a tenth of its patience."""

from leadcrm import patience
from leadcrm.gunicorn import *  # noqa: F403

patience.PATIENCE = 2.0
