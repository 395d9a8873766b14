from django.urls import include, path, re_path

from webhooks.views import receive

urlpatterns = [
    path("inbox/", include("webhooks.inbox.urls")),
    re_path(r"^in/(?P<uid>[^/]+)/?$", receive, name="inbound"),
]
