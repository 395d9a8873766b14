"""The program's Django, which has started and waits for Python to run: python -m tests.shell

It answers one question (see benchmarks/process.py), each time in a fork: nothing that is run stays in the process.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from typing import NoReturn

import django

from benchmarks.process import serve

django.setup()


def run(code: str) -> tuple[bool, str]:
    """Whether it came to its end, and what it printed. Of what else was wrong, standard error tells."""
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if not child:
            _run(code, printed.fileno())
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        return status == 0, printed.read().decode()


def _run(code: str, output: int) -> NoReturn:
    os.dup2(output, sys.stdout.fileno())
    failed = 0
    try:
        exec(code, {"__name__": "__main__"})
    except BaseException:
        traceback.print_exc()
        failed = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(failed)


if __name__ == "__main__":
    serve({"run": run})
