"""The settings of the tests: an environment of their own, whatever the shell or a .env says, then the real settings.

Only DATABASE_URL is taken from outside: `make test` runs part of the tests a second time on PostgreSQL.
"""

import os
import secrets
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

# Made and removed by conftest.py; mypy and manage.py load these settings as well and need no folder.
SCRATCH = Path(tempfile.gettempdir()) / f"leadcrm-tests-{os.getpid()}"

os.environ |= {
    "ENV_FILE": "",
    "DEBUG": "true",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "WEBHOOK_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "CSRF_TRUSTED_ORIGINS": "",
    "TRUSTED_PROXIES": "",
    "Q_BROKER_URL": "",
    "WEBHOOK_RETRY_SCALE": "1",
    "WEBHOOK_ALLOWLIST": "",
    "WEBHOOK_OWN_HOSTS": "",
    "WEBHOOK_OWN_ADDRESSES": "",
    "WEBHOOK_EGRESS_PROXY": "",
    "WEBHOOK_REQUIRE_HTTPS": "false",
    "WEBHOOK_INBOX": "true",
    "LEADPRO_REFERENCE_REQUIRED": "true",
    "ENVIRONMENT": "",
    "DEMO_PASSWORD": "",
    "LOG_LEVEL": "WARNING",
}
os.environ.setdefault("DATABASE_URL", "sqlite://:memory:")

from leadcrm.settings import *  # noqa: E402, F403

# A file, not memory: WAL, locks and second connections then behave as they do outside the tests.
DATABASES["default"]["TEST"] = {"NAME": str(SCRATCH / "test.sqlite3")} if EMBEDDED else {}  # noqa: F405
if EMBEDDED:  # noqa: F405
    # Nothing here has to outlive a power cut.
    DATABASES["default"]["OPTIONS"]["init_command"] += "; PRAGMA synchronous=OFF"  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# As with DEBUG on: looked for when it is asked for, and not all of it again for each client of a test.
WHITENOISE_AUTOREFRESH = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Tests sign in wrongly and often from one address; those of the lock-out itself switch it on.
AXES_ENABLED = False
