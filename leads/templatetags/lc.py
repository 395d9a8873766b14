"""{% load lc %}: leads/admin/display.py for templates.

{% badge delivery.status delivery.get_status_display %}, {{ when|ago }}, {{ milliseconds|duration }}.
"""

from __future__ import annotations

from django import template

from leads.admin import display

register = template.Library()

register.simple_tag(display.badge)
register.simple_tag(display.dot)
register.simple_tag(display.person)
register.simple_tag(display.percent)
register.simple_tag(display.plural)
register.filter("amount", display.amount)
register.filter("ago", display.ago)
register.filter("at", display.at)
register.filter("mono", display.mono)
register.filter("clip", display.clip)
register.filter("span", display.span)
register.filter("duration", display.duration)
register.filter("number", display.number)
register.filter("size", display.size)
