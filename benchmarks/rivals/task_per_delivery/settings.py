"""The ORM broker, and django-q2's own defaults: a row for each success, the newest 250 of them kept."""

import os

SECRET_KEY = "the rival's own, and worth nothing"
INSTALLED_APPS = ["django_q"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["DATABASE_NAME"]}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
Q_CLUSTER = {"name": "rival", "orm": "default", "workers": 1}
