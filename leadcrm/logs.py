"""Log lines as JSON, one object a line."""

import json
import logging
import re
from datetime import UTC, datetime

# API keys, and what is asked of the API: people's e-mails, and keys that somebody put there by mistake.
_KEY = re.compile(r"lck_[\w-]+")
_QUERY = re.compile(r"(/(?:api|v2)/[^\s?\"']*\?)[^\s\"']+", re.IGNORECASE)


class JsonFormatter(logging.Formatter):
    """time (ISO 8601, UTC), level, logger, message and, for an exception, its trace.

    JSON escapes line breaks and control characters, so that text from outside can neither start a line of its own
    nor steer a terminal; characters outside ASCII are escaped as well, which covers U+2028 and its like. API keys and
    the query strings of API addresses are struck.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _struck(record.getMessage()),
        }
        if record.exc_info:
            line["trace"] = _struck(self.formatException(record.exc_info))
        return json.dumps(line)


def _struck(text: str) -> str:
    return _QUERY.sub(r"\1***", _KEY.sub("lck_***", text))
