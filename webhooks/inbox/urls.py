from django.urls import path

from webhooks.inbox import views

urlpatterns = [path("<int:webhook_id>/", views.receive, name="inbox")]
