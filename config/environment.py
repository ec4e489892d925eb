"""Read the environment, and report a wrong or missing value in a sentence.

Every name read here is in the table of `docs/settings.md`; a test compares the two.
"""

import contextlib
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from django.core.exceptions import ImproperlyConfigured
from environ import Env

from accounts.domain.embed_token import origin_of
from accounts.domain.public_addresses import Network, read_networks
from accounts.keys.domain.leaks import pinned_keys

Profile = Literal["development", "production", "test"]
PROFILES: tuple[Profile, ...] = ("development", "production", "test")
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
SECRET_KEY_CHARACTERS_MIN = 50
SAML_EMAIL_ATTRIBUTES = [
    "email",
    "mail",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
]
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


class Environment:
    """Typed look-ups in one mapping. Each error names the variable and says what would be right."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Read from `values`, by default from the process's own environment."""
        self.values = os.environ if values is None else values

    def text(self, name: str, default: str = "") -> str:
        """Return the value without surrounding blanks."""
        return self.values.get(name, default).strip()

    def required_text(self, name: str, why: str) -> str:
        """Return the value, which must be set: `why` completes "… is not set:"."""
        value = self.text(name)
        if not value:
            raise ImproperlyConfigured(f"{name} is not set: {why}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a yes or a no."""
        word = self.text(name, "1" if default else "0").lower()
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
        raise ImproperlyConfigured(f"{name} is {word!r}; it must be 1 or 0.")

    def number(self, name: str, default: int, *, lowest: int, highest: int) -> int:
        """Return a whole number between two bounds."""
        word = self.text(name, str(default))
        if not word.isascii() or not word.isdigit() or not lowest <= int(word) <= highest:
            raise ImproperlyConfigured(f"{name} is {word!r}; it must be a whole number from {lowest} to {highest}.")
        return int(word)

    def amounts(self, name: str) -> dict[str, int]:
        """Return amounts in minor units by currency, as in `JPY=500000,INR=45000000`."""
        amounts = {}
        for part in self.names(name):
            currency, _, word = part.partition("=")
            if not (currency.isascii() and currency.isupper() and word.isascii() and word.isdigit()):
                raise ImproperlyConfigured(f"{name} has {part!r}; it must look like JPY=500000,INR=45000000.")
            amounts[currency] = int(word)
        return amounts

    def https_url(self, name: str, *, is_http_allowed: bool) -> str:
        """Return an https:// address of another service, or nothing. `http://` is for development."""
        value = self.text(name)
        parts = urlsplit(value)
        if value and (parts.scheme not in ({"http", "https"} if is_http_allowed else {"https"}) or not parts.hostname):
            raise ImproperlyConfigured(f"{name} is {value!r}; it must look like https://api.example.com/keys.")
        return value

    def scanner_keys(self, name: str) -> dict[str, EllipticCurvePublicKey]:
        """Return public keys by identifier, as in `identifier=MFkwEwYH…`."""
        try:
            return pinned_keys(self.names(name))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {error}.") from error

    def uuid(self, name: str, default: str = "") -> str:
        """Return a UUID in its usual form, or nothing."""
        value = self.text(name, default)
        try:
            return str(UUID(value)) if value else ""
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} is {value!r}; it must be a UUID, as `uuidgen` prints.") from error

    def names(self, name: str, default: str = "") -> list[str]:
        """Return a list separated by commas."""
        return [part.strip() for part in self.text(name, default).split(",") if part.strip()]

    def origins(self, name: str) -> list[str]:
        """Return origins of sites separated by commas, such as `https://app.example.com`."""
        given = self.names(name)
        wrong = next((text for text in given if not origin_of(text)), None)
        if wrong is not None:
            raise ImproperlyConfigured(f"{name}: {wrong!r} is no origin; it must look like https://app.example.com.")
        return [origin_of(text) for text in given]

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return networks separated by commas, as CIDRs."""
        try:
            return read_networks(self.names(name))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {error}; it must look like 127.0.0.0/8,::1/128.") from error

    def profile(self) -> Profile:
        """Return the profile, which decides the defaults."""
        word = self.text("COUNTINGHOUSE_PROFILE", "production")
        for profile in PROFILES:
            if word == profile:
                return profile
        raise ImproperlyConfigured(f"COUNTINGHOUSE_PROFILE is {word!r}; it must be one of {', '.join(PROFILES)}.")

    def public_url(self, default: str) -> str:
        """Return the scheme and host of our public address, without a slash at the end."""
        value = (self.text("PUBLIC_URL") or default).rstrip("/")
        if not value:
            raise ImproperlyConfigured("PUBLIC_URL is not set: links in mails and pages begin with it.")
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path:
            raise ImproperlyConfigured(f"PUBLIC_URL is {value!r}; it must look like https://billing.example.com.")
        return value

    def database(self, name: str) -> dict[str, object]:
        """Return Django's connection settings for a postgres:// URL."""
        value = self.text(name)
        try:
            settings = Env.db_url_config(value)
        except (ValueError, ImproperlyConfigured):
            settings = {}
        if settings.get("ENGINE") != "django.db.backends.postgresql":
            raise ImproperlyConfigured(
                f"{name} must be a postgres:// URL: PostgreSQL 15 or later is the only supported database."
            )
        return dict(settings) | _socket_of(value)

    def email(self, name: str, default: str) -> dict[str, object]:
        """Return Django's e-mail settings for a URL."""
        value = self.text(name, default)
        if urlsplit(value).scheme not in {"smtp", "smtps", "smtp+tls", "consolemail", "filemail", "memorymail"}:
            raise ImproperlyConfigured(f"{name} must begin with smtp://, smtp+tls://, smtps:// or consolemail://.")
        settings: dict[str, object] = Env.email_url_config(value)
        return {key: value for key, value in settings.items() if key.startswith("EMAIL_")}

    def redis_url(self) -> str:
        """Return the URL of a Redis, or nothing."""
        value = self.text("REDIS_URL")
        if value and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")
        return value

    def secret_key(self, profile: Profile, data_dir: Path) -> str:
        """Return the signing secret: given in production, elsewhere created once and kept beside the data."""
        if profile == "production":
            value = self.required_text(
                "SECRET_KEY", "sessions and tokens are signed with it; 50 or more random characters."
            )
            if len(value) < SECRET_KEY_CHARACTERS_MIN:
                raise ImproperlyConfigured("SECRET_KEY is too short: it must have 50 or more random characters.")
            return value
        return self.text("SECRET_KEY") or stored_secret(data_dir / "secret_key")


def database_url(connection: Mapping[str, Any]) -> str:
    """Return the URL of a database from Django's settings for it, the reverse of `Environment.database`."""
    user, password, name = (quote(str(connection[part]), safe="") for part in ("USER", "PASSWORD", "NAME"))
    options = connection.get("OPTIONS", {})
    host, port = connection["HOST"] or options.get("host") or "", connection["PORT"] or options.get("port") or 5432
    if str(host).startswith("/"):
        return f"postgres://{user}:{password}@/{name}?host={quote(str(host), safe='/')}&port={port}"
    return f"postgres://{user}:{password}@{host}:{port}/{name}"


def openid_apps(provider_id: str, issuer: str, *, client_id: str, secret: str, name: str) -> list[dict[str, Any]]:
    """Return allauth's settings of a single sign-on provider, or nothing if its issuer is not set."""
    if not issuer:
        return []
    if urlsplit(issuer).scheme not in {"http", "https"} or not urlsplit(issuer).hostname:
        raise ImproperlyConfigured(f"The issuer {issuer!r} of single sign-on must look like https://login.example.com.")
    if not client_id or not secret:
        raise ImproperlyConfigured(f"The issuer {issuer} of single sign-on needs a client id and a client secret.")
    settings = {"server_url": issuer}
    return [{"provider_id": provider_id, "name": name, "client_id": client_id, "secret": secret, "settings": settings}]


def saml_apps(entity_id: str, *, sso_url: str, certificate: str, domains: list[str], name: str) -> list[dict[str, Any]]:
    """Return allauth's settings of the customers' SAML provider, or nothing if its entity id is not set."""
    if not entity_id:
        return []
    if find_spec("onelogin") is None:
        raise ImproperlyConfigured("SAML_ENTITY_ID is set and the extra is missing: pip install 'countinghouse[saml]'.")
    if urlsplit(sso_url).scheme not in {"http", "https"} or not certificate or not domains:
        raise ImproperlyConfigured("SAML_ENTITY_ID needs SAML_SSO_URL, SAML_CERTIFICATE and SAML_DOMAINS.")
    settings = {
        "idp": {"entity_id": entity_id, "sso_url": sso_url, "x509cert": certificate},
        "attribute_mapping": {"email": SAML_EMAIL_ATTRIBUTES},
        "verified_email": domains,
        "advanced": {"want_assertion_signed": True, "want_name_id": True, "reject_deprecated_algorithm": True},
    }
    return [{"provider_id": "saml", "name": name, "client_id": "customers", "settings": settings}]


def _socket_of(url: str) -> dict[str, object]:
    """Return host and port of a URL that names a socket's directory, as in postgres://me@%2Frun%2Fpostgresql:5433/db.

    The general parser neither decodes such a host nor keeps its capitals.
    """
    place = urlsplit(url).netloc.rpartition("@")[2]
    host, _, port = place.partition(":")
    directory = unquote(host)
    return {"HOST": directory, "PORT": port} if directory.startswith("/") else {}


def stored_secret(path: Path) -> str:
    """Return a random secret from a file that only its owner may read. The first call creates it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make_secret(path)
    try:
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{path} cannot be read: give it to this user, with mode 0600.") from error
    if len(secret) < SECRET_KEY_CHARACTERS_MIN:
        raise ImproperlyConfigured(
            f"{path} holds no secret of {SECRET_KEY_CHARACTERS_MIN} or more characters. Put the secret back; or delete"
            " the file to create a new one: sessions end, and second factors have to be set up again."
        )
    return secret


def _make_secret(path: Path) -> None:
    """Write a new secret to a temporary file and link it into place, so that no process ever reads half of it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(40).hex())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its secret is used
            path.hardlink_to(unfinished)
    finally:
        unfinished.unlink()
