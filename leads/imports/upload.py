"""How much a request may bring: what is far too large is refused while it comes, and is not put on the disk first."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

from leads.imports.reading import MOST_BYTES

# What is a little too large comes as far as the form, which says so.
MOST = 2 * MOST_BYTES


class Limited(FileUploadHandler):
    """Of settings.FILE_UPLOAD_HANDLERS, before those that keep something."""

    received = 0

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int | None, boundary: Any, encoding: Any = None
    ) -> None:
        self._check(content_length or 0)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received += len(raw_data)
        self._check(self.received)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None

    def _check(self, size: int) -> None:
        if size > MOST:
            raise RequestDataTooBig(f"A file may have {MOST_BYTES // 1024 // 1024} MB.")
