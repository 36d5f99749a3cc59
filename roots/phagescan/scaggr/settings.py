"""Django's settings. What differs from host to host comes from master.toml, see shared/conf.py."""

from datetime import timedelta
from pathlib import Path

from shared.conf import load

CONF = load("master")
BASE_DIR = Path(__file__).resolve().parent.parent

# The broker as the master's nodes reach it: host, port, vhost, user, password.
BROKER_CONF = CONF["broker"]

DEBUG = CONF["debug"]
SECRET_KEY = CONF["secret_key"]
# The proxy asks by that name who may upload, whatever name its client has asked for.
ALLOWED_HOSTS = [*CONF["allowed_hosts"], "localhost"]
# What the API's addresses begin with; empty where pillar has none: they begin with / then.
PUBLIC_URL = CONF["public_url"]

INSTALLED_APPS = [
    "scaggr",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
    "django_celery_beat",
    "django_htmx",
    "ninja",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "scaggr.web.middleware.secure_cookies",
    "scaggr.web.middleware.uploads_end",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "scaggr.urls"
WSGI_APPLICATION = "scaggr.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

DATABASES = {
    "default": {
        "ENGINE": "scaggr.database",
        "HOST": CONF["database"]["host"],
        "PORT": CONF["database"]["port"],
        "NAME": CONF["database"]["name"],
        "USER": CONF["database"]["user"],
        # Sessions last; whether they still do is asked at the beginning of each request and task.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, "application_name": "scaggr"},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTH_PASSWORD_VALIDATORS.append({"NAME": "scaggr.web.passwords.RevokeTokens"})
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

# After so many wrong passwords no one logs in as this user from this address for a while; `manage.py axes_reset` ends
# it.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "scaggr.web.login.locked"
AXES_CLIENT_IP_CALLABLE = "scaggr.web.login.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
# What is typed as a user name may be a password: it is not logged. Logins that succeed are not recorded.
AXES_SENSITIVE_PARAMETERS = ["username"]
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# gunicorn turns the proxy's X-Forwarded-Proto into the scheme of the request, where it comes by the proxy's own socket;
# so there is no SECURE_PROXY_SSL_HEADER here. With TLS nginx leads other hosts to HTTPS, and says for how long; what
# comes unencrypted comes from this host.
X_FRAME_OPTIONS = "DENY"
# What a proxy in front may hide by another Host.
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
CSRF_FAILURE_VIEW = "scaggr.web.requests.csrf_failure"
if CONF["tls"] and DEBUG:
    # runserver has no such socket.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# What Django would do of this itself: redirect, HSTS, cookies that only HTTPS carries.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008", "security.W012", "security.W016"]

LANGUAGE_CODE = "en-us"
USE_TZ = True
TIME_ZONE = CONF["time_zone"]

# Samples: where they lie, how big one may be (bytes), how long a run waits for its verdicts (seconds).
SAMPLE_ROOT = CONF["scan"]["sample_root"]
MAX_SAMPLE_SIZE = CONF["scan"]["max_size"]
SCAN_EXPIRES = CONF["scan"]["expires"]
# Bytes that an upload leaves on the file system of database and broker; where the proxy receives it.
KEEP_FREE = CONF["scan"]["keep_free"]
UPLOAD_SPOOL = CONF["scan"]["spool"]
# Engines that scans may wait for, besides those that an admin approves.
ENGINES = CONF["scan"]["engines"]
# Uploads are received beside the samples, so that a sample gets its place by a rename.
FILE_UPLOAD_TEMP_DIR = f"{SAMPLE_ROOT}/incoming"
FILE_UPLOAD_HANDLERS = ["scaggr.web.uploads.SampleUploadHandler"]

STATIC_URL = "/static/"
STATIC_ROOT = CONF["static_root"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "[{asctime}: {levelname}/{name}] {message}", "style": "{"}},
    "filters": {"printable": {"()": "shared.text.PrintableFilter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["printable"]}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # Django's own handlers would mail the admins and be silent without DEBUG.
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # It would log how it counts; wrong passwords and locks are warnings.
        "axes": {"level": "WARNING"},
    },
}
