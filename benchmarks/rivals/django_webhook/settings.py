"""django-webhook's defaults: signed requests, and a row of history for each event."""

import os

SECRET_KEY = "the rival's own, and worth nothing"
INSTALLED_APPS = ["django_webhook", "benchmarks.rivals.django_webhook.crm"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["DATABASE_NAME"]}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
CELERY_BROKER_URL = os.environ["REDIS_URL"]
DJANGO_WEBHOOK = {"MODELS": ["crm.Lead"]}
