"""Addresses below /api/v1/. A slash at the end is optional; part of an address may be no id: the view says so."""

from __future__ import annotations

from django.urls import re_path

from leads.api.leads import Leads, OneLead, Refer
from leads.api.offices import Offices, OneOffice

urlpatterns = [
    re_path(r"^leads/?$", Leads.as_view(), name="leads"),
    re_path(r"^leads/(?P<pk>[^/]+)/refer/?$", Refer.as_view(), name="refer"),
    re_path(r"^leads/(?P<pk>[^/]+)/?$", OneLead.as_view(), name="lead"),
    re_path(r"^offices/?$", Offices.as_view(), name="offices"),
    re_path(r"^offices/(?P<pk>[^/]+)/?$", OneOffice.as_view(), name="office"),
]
