from django.urls import include, path

urlpatterns = [path("inbox/", include("webhooks.inbox.urls"))]
