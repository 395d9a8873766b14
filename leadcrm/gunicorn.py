"""The web server: gunicorn -c python:leadcrm.gunicorn leadcrm.wsgi"""

from typing import Any

from gunicorn.glogging import Logger

from leadcrm.startup import checked, settings_or_exit

settings = settings_or_exit()

from leadcrm.settings import env  # noqa: E402


class NoAccessLog(Logger):  # type: ignore[misc]
    """With a logconfig_dict gunicorn words a line for each request, even where nobody takes it."""

    @property
    def access_log_enabled(self) -> bool:
        return False


bind = env.str("WEB_BIND", default="127.0.0.1:8000")
worker_class = "leadcrm.patience.PatientWorker"
workers = env.int("WEB_PROCESSES", default=1)
threads = env.int("WEB_THREADS", default=16)
graceful_timeout = 8
control_socket_disable = True

# A LeadPro request carries its whole body a second time in one header line: up to 80 kB when every field is full.
limit_request_field_size = 131_072
limit_request_fields = 100

# Query strings may hold what no log should have; the proxy in front keeps the access log.
accesslog = None
logger_class = NoAccessLog
loglevel = settings.LOG_LEVEL
logconfig_dict = settings.LOGGING


def on_starting(server: Any) -> None:
    """Called by gunicorn before it starts anything."""
    checked()
