"""The rate limit: so many submissions of one form from one address, counted in the database over all web processes."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Final

from django.utils.crypto import salted_hmac

from leads.models import Form, FormSubmission

# (submissions, within): the longest last.
LIMITS: Final = ((5, timedelta(minutes=1)), (30, timedelta(hours=1)))

# How much of an IPv6 address tells one connection from the next: whoever has one has all that follows.
_NETWORK = 64


def digest(address: str) -> str:
    """What is stored of an address: it cannot be read back, and not be guessed without our key."""
    return salted_hmac("leads.forms.limit", _place(address), algorithm="sha256").hexdigest()


def wait(form: Form, address: str, now: datetime) -> int:
    """Seconds until this digest may submit the form again; 0: now."""
    most, longest = LIMITS[-1]
    rows = FormSubmission.objects.filter(form=form, address=address, received_at__gt=now - longest)
    times = list(rows.order_by("-received_at").values_list("received_at", flat=True)[:most])
    left = [times[count - 1] + within - now for count, within in LIMITS if len(times) >= count]
    return max((math.ceil(each.total_seconds()) for each in left if each > timedelta()), default=0)


def forget(form: Form, now: datetime) -> None:
    """Addresses are kept no longer than they are counted."""
    counted_no_more = now - LIMITS[-1][1]
    old = FormSubmission.objects.filter(form=form, received_at__lte=counted_no_more)
    old.exclude(address="").update(address="")


def _place(address: str) -> str:
    try:
        read = ip_address(address)
    except ValueError:
        return address
    if isinstance(read, IPv6Address):
        if read.ipv4_mapped is not None:
            return str(read.ipv4_mapped)
        return str(int(read) >> (128 - _NETWORK))
    return str(read)
