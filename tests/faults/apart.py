"""Run Python with files of its own in the place of the system's: python -m tests.faults.apart FILE=PLACE ... -- COMMAND

A mount namespace of its own, for name servers and certificate authorities that are the experiment's: the program under
test is not changed. It takes the right to mount, as root has; where there is none, `possible` says so.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

CLONE_NEWNS = 0x00020000


def possible() -> bool:
    return not subprocess.run(
        [sys.executable, "-m", "tests.faults.apart", "--", "-c", ""], capture_output=True
    ).returncode


def main(arguments: list[str]) -> None:
    end = arguments.index("--")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for pair in arguments[:end]:
        file, _, place = pair.partition("=")
        subprocess.run(["mount", "--bind", file, place], check=True)
    os.execv(sys.executable, [sys.executable, *arguments[end + 1 :]])


if __name__ == "__main__":
    main(sys.argv[1:])
