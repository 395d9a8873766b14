import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadcrm.settings")

django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Text is UTF-8. Django reads the query string by any charset that the body is said to have, and some of them
    (rot13, punycode) break it where no error handling reaches: such a body is taken as bytes that nobody reads."""
    if not _readable(environ.get("CONTENT_TYPE") or ""):
        environ = environ | {"CONTENT_TYPE": "application/octet-stream"}
    return django(environ, start_response)


def _readable(content_type: str) -> bool:
    try:
        _, parameters = parse_header_parameters(content_type)
    except ValueError:
        return False
    return parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")
