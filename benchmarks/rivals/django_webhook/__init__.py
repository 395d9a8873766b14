"""django-webhook 0.0.15 on Celery, Redis and PostgreSQL, with the defaults of all of them."""

from benchmarks.rivals.django_webhook.celery import app

__all__ = ["app"]
