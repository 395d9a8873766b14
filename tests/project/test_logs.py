import json
import logging

from leadcrm.logs import JsonFormatter


def line(message: str, *arguments: object, **more) -> str:
    record = logging.LogRecord("webhooks.send", logging.WARNING, "file.py", 1, message, arguments, more.get("exc_info"))
    return JsonFormatter().format(record)


def test_text_from_outside_can_neither_start_a_line_nor_steer_a_terminal():
    logged = line("receiver said %s", 'no\r\n{"level": "INFO"}\x1b[2J\x85\u2028')
    assert logged.isascii()
    assert logged.isprintable()
    assert json.loads(logged)["message"] == 'receiver said no\r\n{"level": "INFO"}\x1b[2J\x85\u2028'


def test_a_line_says_when_how_grave_and_from_where():
    logged = json.loads(line("late"))
    assert (logged["level"], logged["logger"]) == ("WARNING", "webhooks.send")
    assert logged["time"].endswith("+00:00")


def test_a_trace_stays_within_its_line():
    try:
        raise ValueError("a\nb")
    except ValueError as error:
        logged = line("failed", exc_info=(ValueError, error, error.__traceback__))
    assert "\n" not in logged
    assert "ValueError: a\nb" in json.loads(logged)["trace"]
