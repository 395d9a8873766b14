from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from leadcrm import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("leads.api.urls")),
    path("api/v1/", include("webhooks.api.urls")),
    path("v2/", include("webhooks.api.leadsquared.urls")),
    path("", include("webhooks.urls")),
    path("f/", include("leads.forms.urls")),
    path("livez", health.livez),
    path("readyz", health.readyz),
]
