"""Every value that differs between two installations comes from the environment (or .env); .env.example explains each.

With DEBUG off, anything missing or left at its sample value stops the start with one line that names it.
"""

import logging
import math
import warnings
from collections.abc import Sequence
from datetime import timedelta
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.templatetags.static import static

from leadcrm import csp
from webhooks.outbound.address import AddressPolicy, parse_proxy

BASE_DIR = Path(__file__).resolve().parent.parent


YES = frozenset({"true", "yes", "on", "1"})
NO = frozenset({"false", "no", "off", "0", ""})


class Environment(environ.Env):
    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} cannot be read: {error}.") from None

    def bool(self, var: str, default: Any = False) -> Any:
        """A slip of the pen must not switch a guard off: what is neither yes nor no is refused."""
        text = self.str(var, default=str(default)).strip().lower()
        if text not in YES | NO:
            raise ImproperlyConfigured(f"{var} must be true or false, not {text!r}.")
        return text in YES

    def int(self, var: str, default: Any = 0) -> Any:
        text = self.str(var, default=str(default)).strip()
        try:
            return int(text)
        except ValueError:
            raise ImproperlyConfigured(f"{var} must be a whole number, not {text!r}.") from None

    def float(self, var: str, default: Any = 0.0) -> Any:
        """The library's own reading drops what is no digit: 6o would be 6."""
        text = self.str(var, default=str(default)).strip()
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise ImproperlyConfigured(f"{var} must be a number, not {text!r}.")
        return found

    def list(self, var: str, default: Sequence[str] = ()) -> Any:
        """Entries between commas, without the blanks around them."""
        entries = (entry.strip() for entry in self.str(var, default=",".join(default)).split(","))
        return [entry for entry in entries if entry]

    def mail_server(self, var: str, default: str) -> Any:
        """Django's mail settings. The value holds a password, and is never repeated."""
        text = self.str(var, default=default).strip()
        try:
            url = urlsplit(text)
            url.port  # noqa: B018 - reading it raises what is wrong with it
            named = bool(url.hostname) or not url.scheme.startswith("smtp")
            found = self.email_url_config(text) if named and not url.query else None
        except (ImproperlyConfigured, ValueError):
            found = None
        if not found:
            raise ImproperlyConfigured(
                f"{var} cannot be read: write smtp+tls://user:password@host:587, percent-encoded where need be, "
                "or consolemail:// or dummymail://."
            )
        return found

    def address(self, var: str, default: str) -> Any:
        """One e-mail address, with a name before it or not."""
        text = self.str(var, default=default).strip()
        try:
            validate_email(parseaddr(text)[1] if text.isprintable() else "")
        except ValidationError:
            raise ImproperlyConfigured(f"{var} must be an e-mail address, not {text!r}.") from None
        return text


env = Environment()
# The tests set ENV_FILE to nothing, so that no developer's .env reaches them.
ENV_FILE = env.str("ENV_FILE", default=str(BASE_DIR / ".env"))
if ENV_FILE and Path(ENV_FILE).is_file():
    env.read_env(ENV_FILE)

DEBUG = env.bool("DEBUG", default=False)
ENVIRONMENT = env.str("ENVIRONMENT", default="")
# Where people and programs find this installation, without a slash at the end.
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")

# Keys. The samples stand in .env.example for all to read: good enough to look around with DEBUG on, never beyond.
SAMPLE_SECRET_KEY = "sample-secret-key-replace-me-sample-secret-key-replace-me"
SAMPLE_ENCRYPTION_KEY = "c2FtcGxlLWtleS1yZXBsYWNlLW1lLXNhbXBsZS1rZXk="

SECRET_KEY = env.str("SECRET_KEY", default="").strip()
WEBHOOK_ENCRYPTION_KEYS = env.list("WEBHOOK_ENCRYPTION_KEYS")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS")

if DEBUG:
    SECRET_KEY = SECRET_KEY or SAMPLE_SECRET_KEY
    WEBHOOK_ENCRYPTION_KEYS = WEBHOOK_ENCRYPTION_KEYS or [SAMPLE_ENCRYPTION_KEY]
else:
    if SECRET_KEY in ("", SAMPLE_SECRET_KEY):
        raise ImproperlyConfigured("SECRET_KEY is missing or is still the sample: set a long random one of your own.")
    if not WEBHOOK_ENCRYPTION_KEYS or SAMPLE_ENCRYPTION_KEY in WEBHOOK_ENCRYPTION_KEYS:
        raise ImproperlyConfigured(
            "WEBHOOK_ENCRYPTION_KEYS is missing or still has the sample key: set at least one Fernet key of your own."
        )
    if not ALLOWED_HOSTS:
        raise ImproperlyConfigured("ALLOWED_HOSTS is missing: set the host names this installation answers to.")

for number, key in enumerate(WEBHOOK_ENCRYPTION_KEYS, start=1):
    try:
        Fernet(key)
    except ValueError:
        # The key itself stays out of the message: it may be a good one with a slip of the pen.
        raise ImproperlyConfigured(
            f"WEBHOOK_ENCRYPTION_KEYS: key {number} is no Fernet key (32 bytes in URL-safe base64, 44 characters)."
        ) from None

# Applications

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "leadcrm.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_q",
    "axes",
    "leads",
    "webhooks",
]

MIDDLEWARE = [
    "leads.api.middleware.answers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "leadcrm.csp.PolicyMiddleware",
    "leadcrm.csp.admin_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "leadcrm.messages.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "leads.middleware.actor",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "leadcrm.urls"
WSGI_APPLICATION = "leadcrm.wsgi.application"
ASGI_APPLICATION = "leadcrm.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database. Connections are kept: opening SQLite anew for each nudge of the queue costs more than the nudge.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it says of an unknown scheme is said below
    try:
        DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
    except ValueError:
        DATABASES = {"default": {}}
if DATABASES["default"].get("ENGINE") not in ("django.db.backends.sqlite3", "django.db.backends.postgresql"):
    raise ImproperlyConfigured("DATABASE_URL must look like sqlite:///file or postgres://user:password@host/name.")
DATABASES["default"] |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
EMBEDDED = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
if EMBEDDED:
    # Writers queue up at BEGIN instead of failing half-way, and readers never wait for them.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Background work. The delivery rows are the truth and a queued task only a nudge: django-q2's own retry stays off.

Q_BROKER_URL = env.str("Q_BROKER_URL", default="")
Q_WORKERS = env.int("Q_WORKERS", default=2 if EMBEDDED else 8)
if Q_WORKERS < 1:
    raise ImproperlyConfigured("Q_WORKERS must be at least 1.")
Q_CLUSTER = {
    "name": "leadcrm",
    "label": "Background tasks",
    "workers": Q_WORKERS,
    "queue_limit": Q_WORKERS,
    "bulk": 1,
    "timeout": env.int("Q_TIMEOUT", default=60),
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "poll": 0.05,
    "guard_cycle": 0.5,
    "recycle": 500,
    "max_rss": 300_000,
}
# A task's lock starts when it is fetched, not when it begins: it must outlast every task fetched before it.
Q_CLUSTER["retry"] = env.int(
    "Q_RETRY",
    default=max(
        240,
        Q_CLUSTER["timeout"]
        + math.ceil((Q_CLUSTER["queue_limit"] + Q_CLUSTER["bulk"]) / Q_WORKERS) * (Q_CLUSTER["timeout"] + 3)
        + 30,
    ),
)
if not Q_BROKER_URL:
    Q_CLUSTER["orm"] = "default"
elif urlsplit(Q_BROKER_URL).scheme in ("redis", "rediss", "unix"):
    # Without these two a silent Redis would hold up the web request that nudges it.
    _parts = urlsplit(Q_BROKER_URL)
    _query = {"socket_timeout": "3", "socket_connect_timeout": "2"} | dict(parse_qsl(_parts.query))
    Q_CLUSTER["redis"] = urlunsplit(_parts._replace(query=urlencode(_query)))
else:
    raise ImproperlyConfigured("Q_BROKER_URL must be empty or start with redis://, rediss:// or unix://.")

# People

AUTH_USER_MODEL = "leads.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# By name and address together: a stranger cannot lock somebody else out, nor can one forgetful colleague shut out a
# whole office that shares an address.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
DEMO_PASSWORD = env.str("DEMO_PASSWORD", default="")

# Transport and cookies

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]  # asked by supervisors, next door and without TLS
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
# "Header: value", as the proxy in front sets it; empty when there is none, as anybody could send it then.
_proxy_header = env.str("SECURE_PROXY_SSL_HEADER", default="")
if _proxy_header:
    _name, _colon, _value = _proxy_header.partition(":")
    if not (_name.strip() and _value.strip()):
        raise ImproperlyConfigured("SECURE_PROXY_SSL_HEADER must look like X-Forwarded-Proto: https.")
    SECURE_PROXY_SSL_HEADER = ("HTTP_" + _name.strip().upper().replace("-", "_"), _value.strip())
# Whose word in X-Forwarded-For counts. (gunicorn leaves REMOTE_ADDR as the connection has it.)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES")
for _proxies in TRUSTED_PROXIES:
    try:
        ip_network(_proxies)
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}.") from None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=not DEBUG)
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": csp.STRICT}

# A lead may have as many comparables as their bytes allow, and each is ten inputs of its form.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
FILE_UPLOAD_HANDLERS = [
    "leads.imports.upload.Limited",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# Language, time, files, mail

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FIXTURE_DIRS = [BASE_DIR / "fixtures"]
STATIC_URL = "static/"
# With DEBUG on, files are served from where they are; without, from where collectstatic has put them.
STATIC_ROOT = None if DEBUG else BASE_DIR / "build" / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
vars().update(env.mail_server("EMAIL_URL", default="consolemail://" if DEBUG else "dummymail://"))
EMAIL_TIMEOUT = 10  # seconds for each step of the conversation
DEFAULT_FROM_EMAIL = env.address("DEFAULT_FROM_EMAIL", default="leadcrm@localhost")

# API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["leads.api.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["leads.api.permissions.KeyMay"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["leads.api.parser.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "leads.api.negotiation.OnlyJson",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "leads.api.errors.answer",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# Webhooks

WEBHOOK_RETRY_SCALE = env.float("WEBHOOK_RETRY_SCALE", default=1.0)
if WEBHOOK_RETRY_SCALE <= 0:
    raise ImproperlyConfigured("WEBHOOK_RETRY_SCALE must be a number above 0.")
# For so many seconds a worker may hold a delivery without a word; webhooks.queue checks that the longest try fits in.
WEBHOOK_LEASE = env.float("WEBHOOK_LEASE", default=60.0)
# Deliveries per second to a receiver that has come back, until what piled up meanwhile has left.
WEBHOOK_DRAIN_RATE = env.float("WEBHOOK_DRAIN_RATE", default=20.0)
if WEBHOOK_DRAIN_RATE <= 0:
    raise ImproperlyConfigured("WEBHOOK_DRAIN_RATE must be a number above 0.")
# What LeadSquared groups is sent together once a minute (reading LS-A12); here for tests, which cannot wait for that.
WEBHOOK_GROUP_WINDOW = 60.0
WEBHOOK_ALLOWLIST = env.list("WEBHOOK_ALLOWLIST")
WEBHOOK_OWN_HOSTS = env.list("WEBHOOK_OWN_HOSTS")
WEBHOOK_OWN_ADDRESSES = env.list("WEBHOOK_OWN_ADDRESSES")
WEBHOOK_EGRESS_PROXY = env.str("WEBHOOK_EGRESS_PROXY", default="").strip()
try:
    AddressPolicy.parse(
        WEBHOOK_ALLOWLIST, own_hosts=WEBHOOK_OWN_HOSTS, own_addresses=WEBHOOK_OWN_ADDRESSES, site_url=SITE_URL
    )
    parse_proxy(WEBHOOK_EGRESS_PROXY)
except ValueError as error:
    raise ImproperlyConfigured(f"{str(error).removesuffix('.')}.") from None
WEBHOOK_REQUIRE_HTTPS = env.bool("WEBHOOK_REQUIRE_HTTPS", default=False)
# Only told to people and programs: receivers may let these through their firewalls.
WEBHOOK_SENDING_ADDRESSES = env.list("WEBHOOK_SENDING_ADDRESSES")
for _address in WEBHOOK_SENDING_ADDRESSES:
    try:
        ip_network(_address)
    except ValueError as error:
        raise ImproperlyConfigured(f"WEBHOOK_SENDING_ADDRESSES: {error}.") from None
WEBHOOK_INBOX = env.bool("WEBHOOK_INBOX", default=False)
LEADPRO_REFERENCE_REQUIRED = env.bool("LEADPRO_REFERENCE_REQUIRED", default=True)

# Logs

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in logging.getLevelNamesMapping():
    raise ImproperlyConfigured("LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "leadcrm.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # Django and gunicorn would print lines of their own.
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "gunicorn.error": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # Three lines for each task, and a task each second.
        "django-q": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}

# The look of the admin

UNFOLD = {
    "SITE_TITLE": "leadcrm",
    "SITE_HEADER": "leadcrm",
    "SITE_SUBHEADER": "leadcrm.site.account_name",
    "SITE_URL": None,
    "SITE_SYMBOL": "hub",
    "ENVIRONMENT": "leadcrm.site.environment",
    "DASHBOARD_CALLBACK": "leadcrm.home.dashboard",
    "STYLES": ["leadcrm.site.styles"],
    "SCRIPTS": ["leadcrm.site.scripts"],
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")},
    ],
    "SHOW_HISTORY": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "base": {
            "50": "#f8f9fb",
            "100": "#f1f3f6",
            "200": "#e3e6eb",
            "300": "#cfd4dc",
            "400": "#98a0ae",
            "500": "#5f6878",
            "600": "#475061",
            "700": "#333a48",
            "800": "#232834",
            "900": "#14171f",
            "950": "#0c0e13",
        },
        "primary": {
            "50": "#eef2ff",
            "100": "#e0e7ff",
            "200": "#c7d2fe",
            "300": "#a5b4fc",
            "400": "#a5b4fc",
            "500": "#818cf8",
            "600": "#4f46e5",
            "700": "#4338ca",
            "800": "#3730a3",
            "900": "#312e81",
            "950": "#1e1b4b",
        },
        "font": {
            "subtle-light": "var(--color-base-500)",
            "subtle-dark": "var(--color-base-400)",
            "default-light": "var(--color-base-700)",
            "default-dark": "var(--color-base-300)",
            "important-light": "var(--color-base-900)",
            "important-dark": "var(--color-base-50)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "leadcrm.sidebar.navigation",
    },
}
