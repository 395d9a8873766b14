"""As Celery's documentation sets up a Django project."""

from celery import Celery

app = Celery("rival")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
