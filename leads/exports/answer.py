"""A file that is written while it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from leads.exports.writing import FORMATS


def download(ending: str, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """ending: one of FORMATS; name: of the file, without it."""
    _, content_type, write = FORMATS[ending]
    response = StreamingHttpResponse(write(header, rows), content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=f"{name}.{ending}")
    response["X-Content-Type-Options"] = "nosniff"
    return response
