"""Django's settings, all from the environment; docs/settings.md lists every variable."""

from pathlib import Path

from taxonomy_app import environment
from workers.environment import read_flag, read_number, read_text, shared_settings

PROJECT = Path(__file__).resolve().parent.parent
SHARED = shared_settings()
VAR = SHARED.var

DEBUG = read_flag("SEEDBED_DEBUG", False)
SECRET_KEY = environment.secret_key(VAR)
ALLOWED_HOSTS = environment.hosts()
HTTPS = read_flag("SEEDBED_HTTPS", False)
# A public site shows the tree and the releases to visitors; otherwise everything asks for sign-in.
PUBLIC = read_flag("SEEDBED_PUBLIC", True)
# Demo accounts with published passwords; `make demo` alone sets this.
DEMO = read_flag("SEEDBED_DEMO", False)

TAXONOMY_REPOSITORY = VAR / "taxonomy.git"
DOCUMENT_REPOSITORY = VAR / "documents.git"
# Where vectors of texts come from; None compares texts by their n-grams.
EMBEDDINGS = environment.embeddings()
# Whom the worker may talk to, how often it asks remotes by itself, and where archives lie on their way in and out.
NETWORK_RULES = environment.network_rules()
SYNC_SECONDS = read_number("SEEDBED_SYNC_SECONDS", 600.0, least=60.0)
EXCHANGE_FOLDER = VAR / "exchange"
# Where people find this site, for links in e-mails; the mail server, or None where no e-mail is sent.
SITE_URL = environment.site_url()
EMAIL = environment.email()
CODE_VERSION = read_text("SEEDBED_CODE_VERSION", "0.1.0")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "taxonomy_app.web",
    "taxonomy_app.people",
    "taxonomy_app.mail",
    "taxonomy_app.tree",
    "taxonomy_app.contributions",
    "taxonomy_app.rounds",
    "taxonomy_app.releases",
    "taxonomy_app.exchange",
    "taxonomy_app.asking",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "taxonomy_app.web.languages.ReadersLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "taxonomy_app.web.middleware.ContentSecurityPolicyMiddleware",
    "taxonomy_app.web.zones.ReadersZoneMiddleware",
    "taxonomy_app.people.middleware.SignInMiddleware",
]

ROOT_URLCONF = "taxonomy_app.urls"
ASGI_APPLICATION = "taxonomy_app.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PROJECT / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "taxonomy_app.web.context.site",
            ],
            "builtins": ["taxonomy_app.web.templatetags.components", "django.templatetags.i18n"],
        },
        "APP_DIRS": True,
    }
]

DATABASES = {"default": environment.database(VAR)}
# Connections that a web process keeps open (taxonomy_app.database).
DATABASE_POOL = environment.database_pool()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "people.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "people:sign_in"
LOGIN_REDIRECT_URL = "web:home"
LOGOUT_REDIRECT_URL = "web:home"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = False  # the proxy that ends TLS redirects
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
# A host that starts with a dot stands for all below it, which an origin spells with a star.
CSRF_TRUSTED_ORIGINS = [f"https://{'*' if host.startswith('.') else ''}{host}" for host in ALLOWED_HOSTS if HTTPS]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# Another language: its catalogue in LOCALE_PATHS (docs/translating.md) and a row here.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LANGUAGE_COOKIE_NAME = "language"
LOCALE_PATHS = [PROJECT / "taxonomy_app" / "locale"]
FORMAT_MODULE_PATH = ["taxonomy_app.formats"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": VAR / "uploads"}},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
# The draft editor posts every field of a leaf: up to 500 seeds, several fields each.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

EMAIL_BACKEND = "taxonomy_app.mail.backend.EmailBackend"
# For each answer of the mail server; the outbox of commits shares the worker.
EMAIL_TIMEOUT = 10
if EMAIL is not None:
    EMAIL_HOST, EMAIL_PORT = EMAIL.host, EMAIL.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL.user, EMAIL.password
    EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL.starttls, EMAIL.tls
    DEFAULT_FROM_EMAIL = EMAIL.sender

# Celery reads these through taxonomy_app.celery (namespace CELERY).
CELERY_BROKER_URL = SHARED.redis_url
CELERY_TASK_DEFAULT_QUEUE = "default"
# What may take minutes has a queue and a worker of its own, so that approvals never wait for it (web/queues.py).
CELERY_TASK_ROUTES = {
    "seedbed.exchange.*": {"queue": "transfers"},
    "seedbed.tree.vectors": {"queue": "transfers"},
    "seedbed.tree.maintain": {"queue": "transfers"},
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR / "run" / "beat")
CELERY_BEAT_SCHEDULE = {
    "outbox": {"task": "seedbed.contributions.outbox", "schedule": 30.0, "options": {"expires": 25}},
    "reaper": {
        "task": "seedbed.rounds.reap",
        "schedule": min(30.0, SHARED.lost_after_seconds / 3),
        "options": {"expires": 25},
    },
    "mail": {"task": "seedbed.mail.send", "schedule": 60.0, "options": {"expires": 50}},
    "mail_digests": {"task": "seedbed.mail.digests", "schedule": 300.0, "options": {"expires": 240}},
    "askings": {
        "task": "seedbed.asking.reap",
        "schedule": min(30.0, SHARED.lost_after_seconds / 3),
        "options": {"expires": 25},
    },
    "exchange": {"task": "seedbed.exchange.tick", "schedule": 60.0, "options": {"expires": 55}},
    "index": {"task": "seedbed.tree.index", "schedule": 300.0, "options": {"expires": 240}},
    "vectors": {"task": "seedbed.tree.vectors", "schedule": 60.0, "options": {"expires": 50}},
    "maintenance": {"task": "seedbed.tree.maintain", "schedule": 3600.0, "options": {"expires": 3000}},
    "release_tags": {"task": "seedbed.releases.tag", "schedule": 3600.0, "options": {"expires": 3000}},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": read_text("SEEDBED_LOG_LEVEL", "INFO")},
}
