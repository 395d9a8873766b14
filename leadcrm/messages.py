"""What the admin says once ("The lead was saved."): for people at a browser, and for nobody else."""

from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest

from leads.api.middleware import ROOTS


class PageMessages(MessageMiddleware):
    """Where programs knock no store of messages is made."""

    def process_request(self, request: HttpRequest) -> None:
        if not request.path_info.startswith(ROOTS):
            super().process_request(request)
