"""Settings, all from the environment; `docs/settings.md` has the table."""

from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from accounts.domain.attendance import SessionLimits
from config.api_tags import API_TAGS
from config.environment import Environment, openid_apps, saml_apps
from config.notice_kinds import NOTICE_KINDS as NOTICE_KINDS
from config.notice_kinds import STAFF_NOTICE_SOURCES as STAFF_NOTICE_SOURCES
from config.operations.database_logins import database_logins
from config.operations.lake_settings import lake_settings
from config.operations.logs import logging_settings
from config.staff.theme import UNFOLD as UNFOLD
from config.workbench.embedded_postgres import EmbeddedPostgres

env = Environment()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("COUNTINGHOUSE_DATA_DIR") or BASE_DIR / ".data")
PROFILE = env.profile()
IS_PRODUCTION = PROFILE == "production"
TESTING = PROFILE == "test"
DEBUG = env.flag("DEBUG", default=False)

PORT = env.number("PORT", 8000, lowest=1, highest=65535)
SECRET_KEY = env.secret_key(PROFILE, DATA_DIR)
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")
PUBLIC_URL = env.public_url("" if IS_PRODUCTION else f"http://localhost:{PORT}")
IS_HTTPS = PUBLIC_URL.startswith("https://")
ALLOW_HTTP = env.flag("ALLOW_HTTP", default=False)
ALLOWED_HOSTS = env.names(
    "ALLOWED_HOSTS",
    PUBLIC_URL.split("//", 1)[1].split(":")[0] if IS_PRODUCTION else "localhost,127.0.0.1,[::1],testserver",
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXY_COUNT", 0, lowest=0, highest=5)

# The lowest last. `operations` is first since its `migrate` command replaces Django's.
INSTALLED_APPS = [
    "config.operations.apps.OperationsConfig",
    "config.workbench.apps.WorkbenchConfig",
    "config.staff.apps.StaffConfig",
    "portal.apps.PortalConfig",
    "billing.dunning.apps.DunningConfig",
    "billing.banking.apps.BankingConfig",
    "billing.collection.apps.CollectionConfig",
    "billing.verification.apps.VerificationConfig",
    "billing.taxlaw.apps.TaxLawConfig",
    "billing.taxation.apps.TaxationConfig",
    "billing.desk.apps.DeskConfig",
    "billing.apps.BillingConfig",
    "billing.rendering.apps.RenderingConfig",
    "billing.ledger.apps.LedgerConfig",
    "billing.conservation.apps.ConservationConfig",
    "metering.alerts.apps.AlertsConfig",
    "metering.lake.apps.LakeConfig",
    "metering.proofs.apps.ProofsConfig",
    "metering.apps.MeteringConfig",
    "metering.formulas.apps.FormulasConfig",
    "accounts.exports.apps.ExportsConfig",
    "accounts.keys.apps.KeysConfig",
    "accounts.channels.apps.ChannelsConfig",
    "accounts.webhooks.apps.WebhooksConfig",
    "accounts.notices.apps.NoticesConfig",
    "accounts.apps.AccountsConfig",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "config.staff.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    *(["allauth.socialaccount.providers.saml"] if find_spec("onelogin") else []),  # the extra `saml`
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_cotton",
    "django_htmx",
    "django_q",
    "djstripe",
]

MIDDLEWARE = [
    "accounts.api.tracing.TracingMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "accounts.api.middleware.RequestIdMiddleware",
    "accounts.api.deadlines.DeadlineMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.SessionlessMiddleware",
    "accounts.api.sessions.SignedSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.ReachMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.api.session_life.SessionLifeMiddleware",
    "accounts.api.second_factor.SecondFactorMiddleware",
    "config.staff.viewing.ViewingMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Ours by app, and the overrides of allauth's and unfold's templates, under the names that they give them.
        "DIRS": [BASE_DIR / "templates", BASE_DIR / "templates" / "overrides"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.api.viewing.viewing",
            ],
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django_cotton.cotton_loader.Loader",
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "builtins": ["django_cotton.templatetags.cotton"],
        },
    }
]

# Database. The application logs in as a role that owns nothing; only `migrate` logs in as the owner (decision 0017).
IS_DATABASE_EMBEDDED = not env.text("DATABASE_URL")
IS_POOLED = env.flag("DATABASE_POOLED", default=False)
_logins = database_logins(
    env,
    embedded=EmbeddedPostgres(data_dir=DATA_DIR / "postgres").connection_settings("countinghouse")
    if IS_DATABASE_EMBEDDED
    else None,
    secret_key=SECRET_KEY,
)
DATABASE_ROLE, DATABASE_LOGIN, DATABASE_OWNER = _logins.role, _logins.application, _logins.owner
_connection = dict(DATABASE_LOGIN)
if env.flag("DATABASE_AS_OWNER", default=False):
    if DATABASE_OWNER is None:
        raise ImproperlyConfigured("DATABASE_AS_OWNER is 1, and no DATABASE_OWNER_URL says how the owner logs in.")
    _connection = dict(DATABASE_OWNER)
_options: dict[str, Any] = _connection.get("OPTIONS", {}) | {
    "connect_timeout": 5,
    # A server that vanished from the network is given up after a minute instead of two hours. A socket file has none of
    # these settings.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "prepare_threshold": None if IS_POOLED else 5,
}
# The bounds of jobs and commands; the web server's are narrower (`config.startup.bound_waits_for_database`).
_options["options"] = " ".join(
    [*filter(None, [_options.get("options")]), "-c lock_timeout=60s", "-c statement_timeout=1800s"]
)
DATABASES = {
    "default": _connection
    | {
        "ENGINE": "accounts.database",
        "CONN_MAX_AGE": env.number("DATABASE_CONNECTION_SECONDS", 600, lowest=0, highest=86400),
        "DISABLE_SERVER_SIDE_CURSORS": IS_POOLED,
        "OPTIONS": _options,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES = {"djstripe": "billing.collection.gateways.stripe.djstripe_migrations"}

REDIS_URL = env.redis_url()
CACHES = {
    "default": {
        "BACKEND": "accounts.gateways.redis.BoundedRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "countinghouse",
    }
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        # Sign-in's limits and used codes are here: at Django's default of 300 rows, strangers could push them out.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

Q_CLUSTER = {
    "name": "countinghouse",
    "orm": "default",
    "workers": env.number("WORKER_PROCESSES", 1, lowest=1, highest=64),
    "timeout": 1800,
    "retry": 2400,
    "queue_limit": 4,
    "max_attempts": 5,
    "ack_failures": False,
    "catch_up": False,
    "save_limit": 5000,
    "label": "Tasks",
}

# People
AUTH_USER_MODEL = "accounts.User"
# An address is unique in any case, by an expression that this check does not know.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "accounts.api.password_hashing.Argon2idHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# What higher apps add to a tenant when it is opened or changed, in this order, and to a subscription's standing.
TENANT_PARTS = ["metering.services.tenants.MeteredTenant", "billing.services.subscriptions.tenants.BilledTenant"]
STANDING_PARTS = ["billing.dunning.services.following.DunnedStanding"]
# Each app's data about tenants and people, for exports, erasure and the clean-up, in the order of their files.
# What usage costs, for budgets in money: metering knows no prices.
SPEND_SOURCE = "billing.selectors.spend.BilledSpend"
PRIVACY_PARTS = [
    "accounts.services.privacy.AccountsPrivacy",
    "accounts.notices.services.privacy.NoticesPrivacy",
    "accounts.webhooks.services.privacy.WebhooksPrivacy",
    "accounts.channels.services.privacy.ChannelsPrivacy",
    "metering.services.privacy.MeteringPrivacy",
    "metering.alerts.services.privacy.AlertsPrivacy",
    "metering.proofs.services.privacy.ProofsPrivacy",
    "billing.services.privacy.BillingPrivacy",
    "billing.collection.services.privacy.CollectionPrivacy",
    "billing.desk.services.privacy.DeskPrivacy",
    "billing.dunning.services.privacy.DunningPrivacy",
    "accounts.exports.services.privacy.ExportsPrivacy",
]
# A mail announces the end of a trial so many days before. Less than mails are kept, so that each is announced once.
TRIAL_NOTICE_DAYS = env.number("TRIAL_NOTICE_DAYS", 3, lowest=1, highest=28)
KEY_EXPIRY_NOTICE_DAYS = env.number("KEY_EXPIRY_NOTICE_DAYS", 7, lowest=1, highest=28)  # likewise, of a key
PAYMENT_LINK_DAYS = env.number("PAYMENT_LINK_DAYS", 30, lowest=1, highest=365)  # of a mail about an unpaid invoice
EXPORT_RETENTION_DAYS = env.number("EXPORT_RETENTION_DAYS", 7, lowest=1, highest=90)  # and below: docs/privacy.md
MAIL_RETENTION_DAYS = env.number("MAIL_RETENTION_DAYS", 400, lowest=30, highest=3650)
VERDICT_RETENTION_DAYS = env.number("VERDICT_RETENTION_DAYS", 7, lowest=1, highest=90)
EVENT_RETENTION_MONTHS = env.number("EVENT_RETENTION_MONTHS", 0, lowest=0, highest=240)
JOB_RUN_RETENTION_DAYS = env.number("JOB_RUN_RETENTION_DAYS", 90, lowest=7, highest=3650)
INVITATION_RETENTION_DAYS = env.number("INVITATION_RETENTION_DAYS", 90, lowest=1, highest=3650)
INVOICE_RETENTION_YEARS = env.number("INVOICE_RETENTION_YEARS", 10, lowest=1, highest=30)
LOGIN_REDIRECT_URL = "/start/"
LOGIN_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "accounts.api.sign_in.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
# Not `SUPPORTS_CHANGE`: allauth offers it only for addresses that are new, and so would tell which ones are known.
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = 3
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if IS_HTTPS else "http"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
MFA_ADAPTER = "accounts.api.sign_in.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Countinghouse"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_PRODUCTION
# By a link, since our policy lets no form redirect to another host; state, nonce and PKCE bind the response to the
# browser.
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_ADAPTER = "accounts.api.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            *openid_apps(
                "customers",
                env.text("OIDC_ISSUER"),
                client_id=env.text("OIDC_CLIENT_ID"),
                secret=env.text("OIDC_CLIENT_SECRET"),
                name=env.text("OIDC_NAME", "Single sign-on"),
            ),
            *openid_apps(
                "staff",
                env.text("STAFF_OIDC_ISSUER"),
                client_id=env.text("STAFF_OIDC_CLIENT_ID"),
                secret=env.text("STAFF_OIDC_CLIENT_SECRET"),
                name=env.text("STAFF_OIDC_NAME", "Single sign-on"),
            ),
        ],
    },
    "saml": {
        "APPS": saml_apps(
            env.text("SAML_ENTITY_ID"),
            sso_url=env.text("SAML_SSO_URL"),
            certificate=env.text("SAML_CERTIFICATE"),
            domains=env.names("SAML_DOMAINS"),
            name=env.text("SAML_NAME", "Single sign-on"),
        )
    },
}
STAFF_OIDC_CLAIM = env.text("STAFF_OIDC_CLAIM", "groups")
STAFF_OIDC_VALUE = env.text("STAFF_OIDC_VALUE")
USERSESSIONS_TRACK_ACTIVITY = True
# Whether staff must prove a second factor: the development profile accepts its printed login, and says so on each page.
STAFF_SECOND_FACTOR = env.flag("STAFF_SECOND_FACTOR", default=IS_PRODUCTION)
VIEWING_MINUTES = env.number("VIEWING_MINUTES", 20, lowest=1, highest=480)
SIGN_UP_OPEN = env.flag("SIGN_UP_OPEN", default=True)

for _name, _value in env.email("EMAIL_URL", "consolemail://").items():
    globals()[_name] = _value
if globals()["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend":
    EMAIL_BACKEND = "accounts.gateways.mail.BoundedSmtp"
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Countinghouse <no-reply@localhost>")
EMAIL_TIMEOUT = 10

# The web
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
MEDIA_ROOT = DATA_DIR / "media"
WHITENOISE_USE_FINDERS = not IS_PRODUCTION
WHITENOISE_AUTOREFRESH = DEBUG or TESTING  # else each client of a test would list all static files first

SESSION_ENGINE = "accounts.api.sessions"
SESSION_COOKIE_NAME = "__Host-session" if IS_HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# How long a session lasts without activity, and in total.
SESSION_LIMITS = SessionLimits(
    idle=timedelta(minutes=env.number("SESSION_IDLE_MINUTES", 480, lowest=5, highest=43200)),
    lifetime=timedelta(hours=env.number("SESSION_HOURS", 168, lowest=1, highest=720)),
)
STAFF_SESSION_LIMITS = SessionLimits(
    idle=timedelta(minutes=env.number("STAFF_SESSION_IDLE_MINUTES", 30, lowest=5, highest=1440)),
    lifetime=timedelta(hours=env.number("STAFF_SESSION_HOURS", 12, lowest=1, highest=168)),
)
SESSION_COOKIE_AGE = int(max(SESSION_LIMITS.lifetime, STAFF_SESSION_LIMITS.lifetime).total_seconds())
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 63072000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Sites that may show pages below /embed/ in a frame; without any, none may.
EMBED_FRAME_ANCESTORS = env.origins("EMBED_FRAME_ANCESTORS")
CSRF_FAILURE_VIEW = "portal.views.error_pages.stale_form"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024  # of forms; calls of the API say themselves how much they take
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 1  # a bank statement, for staff: other forms refuse one
FILE_UPLOAD_HANDLERS = ["accounts.api.uploads.StaffUploadHandler"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["accounts.api.parsers.ExactJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["accounts.api.renderers.ExactJSONRenderer"],
    "EXCEPTION_HANDLER": "accounts.api.problems.problem_response",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countinghouse",
    "DESCRIPTION": "Metering and billing for an API sold by the call.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # its schemas are plain JSON Schema: the tests check every response by them
    "TAGS": API_TAGS,
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "accounts.api.schema_headers.describe_headers",
        "config.api_examples.add_examples",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,  # choices have no words besides their values
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "ENUM_NAME_OVERRIDES": {
        "TenantStatusEnum": ["active", "suspended", "closed"],
        "InvoiceStatusEnum": ["finalized", "paid", "void", "uncollectible"],
        "PaymentStatusEnum": ["succeeded", "failed", "unmatched"],
        "LineKindEnum": ["usage", "recurring", "proration", "adjustment", "carry", "one_off"],
        "KeyKindEnum": ["live", "test"],
        "QuotaPeriodEnum": ["day", "week", "month", "billing"],
        "BudgetScopeEnum": ["tenant", "api_key", "subject"],
        "LimitScopeEnum": ["tenant", "subject"],
        "EndpointStatusEnum": ["active", "paused", "disabled"],
    },
}

# Payment providers: a folder each, the preferred first. Each reads its own settings. Without a key no call leaves this
# machine.
PAYMENT_PROVIDERS = ["billing.collection.gateways.stripe", "billing.collection.gateways.paddle"]
for _folder in PAYMENT_PROVIDERS:
    globals().update(import_module(f"{_folder}.settings").read_settings(env, is_production=IS_PRODUCTION))
if not IS_PRODUCTION:
    SILENCED_SYSTEM_CHECKS += ["djstripe.W002"]  # warns if STRIPE_API_HOST is set: here it is intended

# The web server (config.serving): threads per process, and how long it waits for a client and for the database.
API_THREADS = env.number("API_THREADS", 1, lowest=1, highest=16)
PAGE_THREADS = env.number("PAGE_THREADS", 2, lowest=1, highest=16)
SHORT_WAY = env.flag("SHORT_WAY", default=True)
WEB_WAITING_MAX = 500  # requests that wait for a thread of their pool; one more is refused with 503
BODY_SECONDS = env.number("BODY_SECONDS", 10, lowest=1, highest=600)
BODY_BYTES_A_SECOND = env.number("BODY_BYTES_A_SECOND", 32_768, lowest=1, highest=1_000_000_000)
WEB_LOCK_SECONDS = env.number("WEB_LOCK_SECONDS", 2, lowest=1, highest=600)
OUTSIDE_SECONDS = env.number("OUTSIDE_SECONDS", 4, lowest=1, highest=60)
WEB_STATEMENT_SECONDS = env.number("WEB_STATEMENT_SECONDS", 20, lowest=1, highest=3600)

# Traces (OpenTelemetry); the exporter reads the other OTEL_ variables by itself.
OTEL_EXPORTER_OTLP_ENDPOINT = env.text("OTEL_EXPORTER_OTLP_ENDPOINT")
OTEL_SERVICE_NAME = env.text("OTEL_SERVICE_NAME", "countinghouse")
LOGGING = logging_settings(is_json=IS_PRODUCTION, level=env.text("LOG_LEVEL", "WARNING" if TESTING else "INFO"))

DEFAULT_EXCEPTION_REPORTER = "config.operations.exception_reports.MaskingExceptionReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.operations.exception_reports.ExceptionReportFilter"

# How long an access token works that stands for an API key.
ACCESS_TOKEN_SECONDS = env.number("ACCESS_TOKEN_SECONDS", 900, lowest=60, highest=3600)
# The secret scanner that may report leaked keys: the address of its public keys, and keys that are pinned.
LEAK_SCANNER_KEYS_URL = env.https_url("LEAK_SCANNER_KEYS_URL", is_http_allowed=not IS_PRODUCTION)
LEAK_SCANNER_KEYS = env.scanner_keys("LEAK_SCANNER_KEYS")
# Webhooks: networks beside the public internet, for development alone; the demo's receiver; days of deliveries kept.
WEBHOOK_ALLOWED_NETWORKS = env.networks("WEBHOOK_ALLOWED_NETWORKS")
DEMO_RECEIVER_URL = env.text("DEMO_RECEIVER_URL")
WEBHOOK_RETENTION_DAYS = env.number("WEBHOOK_RETENTION_DAYS", 30, lowest=4, highest=400)
ANOMALY_FACTOR = env.number("ANOMALY_FACTOR", 5, lowest=2, highest=100)
ANOMALY_EVENTS_MIN = env.number("ANOMALY_EVENTS_MIN", 20, lowest=1, highest=1_000_000)
LEDGER_SLOTS = env.number("LEDGER_SLOTS", 4, lowest=1, highest=64)
# The Commission's service that verifies VAT numbers; empty: numbers are not verified.
VIES_URL = env.text("VIES_URL")
# Billing: an invoice above this is parked for staff. Amounts in minor units, the floor of any currency or by name.
ABSURD_INVOICE_TIMES = env.number("ABSURD_INVOICE_TIMES", 10, lowest=2, highest=1000)
ABSURD_INVOICE_FLOOR = env.number("ABSURD_INVOICE_FLOOR", 500_000, lowest=1, highest=10**12)
ABSURD_INVOICE_FLOORS = env.amounts("ABSURD_INVOICE_FLOORS")
METRICS_TOKEN = env.text("METRICS_TOKEN")
LAKE_TABLES, LAKE_URL, LAKE_S3_ENDPOINT, LAKE_KEEPS_EVENTS = lake_settings(env, DATA_DIR)
DEMO_FILE = DATA_DIR / "demo.json"
