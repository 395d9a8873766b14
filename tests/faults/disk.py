"""A disk that can be filled up, for SQLite: a small one in memory where this process may mount, else a limit on files.

Without the right to mount, the program's processes are forbidden to make any file longer: each write then fails as it
does on a full disk, with another number of the error.
"""

from __future__ import annotations

import resource
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil

SIZE = "48m"
PIECE = b"\0" * 65_536


class Disk(Protocol):
    folder: Path
    name: str

    def fill(self, processes: Iterable[psutil.Process]) -> None: ...

    def free(self, processes: Iterable[psutil.Process]) -> None: ...


class SmallDisk:
    name = "a full tmpfs"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, processes: Iterable[psutil.Process]) -> None:
        with open(self._filler, "wb", buffering=0) as file, suppress(OSError):
            piece = PIECE
            while True:
                if file.write(piece) < len(piece):
                    break

    def free(self, processes: Iterable[psutil.Process]) -> None:
        self._filler.unlink(missing_ok=True)


class ForbiddenFiles:
    name = "a limit on the size of files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, processes: Iterable[psutil.Process]) -> None:
        self._limit(processes, 1)

    def free(self, processes: Iterable[psutil.Process]) -> None:
        self._limit(processes, resource.RLIM_INFINITY)

    def _limit(self, processes: Iterable[psutil.Process], size: int) -> None:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                _, most = process.rlimit(psutil.RLIMIT_FSIZE)
                process.rlimit(psutil.RLIMIT_FSIZE, (size, most))


@contextmanager
def disk() -> Iterator[Disk]:
    with tempfile.TemporaryDirectory(prefix="leadcrm-disk-") as name:
        folder = Path(name)
        if not _mounted(name):
            yield ForbiddenFiles(folder)
            return
        try:
            yield SmallDisk(folder)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


def _mounted(folder: str) -> bool:
    options = f"size={SIZE},mode=700"
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0
