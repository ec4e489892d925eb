"""A secret of each kind is created by the real interfaces, and then searched for in all that we keep, log and send."""

import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, format_hotp_value, hotp_value
from django.core import mail
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.views.debug import technical_500_response
from djstripe.models import APIKey, WebhookEndpoint

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind, generate_key
from accounts.domain.roles import Role
from accounts.domain.scopes import SCOPES_FOR_TENANT_KEYS, Scope
from accounts.keys.services.api_keys import CreatedKey, KeyTerms, create_api_key
from accounts.models import JobRun, Tenant, User
from accounts.selectors.api_keys import forget_keys
from accounts.services.jobs import run_job
from accounts.services.members import invite_member
from accounts.services.tenants import open_tenant
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe.endpoint import endpoint_secret
from billing.collection.gateways.stripe.mirror import mirror_object
from billing.collection.services.setup import set_up_providers
from config.environment import Environment, stored_secret
from config.operations.logs import logging_settings
from config.workbench.demo.credentials import DemoCredentials
from config.workbench.fakestripe.server import FakeStripe
from config.workbench.runner.plan import FAKE_STRIPE_WEBHOOK_SECRET, RunPlan
from metering.models import IngestVerdict
from tests.fakestripe.fixture import SECRET_KEY as STRIPE_KEY
from tests.security.dump import every_row, secrets_in_rows

SYSTEM = Actor.system("test")
# A page about an exception shows the lines of the source, so none of them contains these.
PASSWORD, TYPED, CRUMBS = "correct horse battery staple", "typed in", "5e55i0ncrumbs"


class Lines(logging.Handler):
    """The lines of the log, as they are written."""

    def __init__(self) -> None:
        super().__init__()
        settings = logging_settings(is_json=True, level="DEBUG")
        facts = settings["formatters"]["structured"]
        self.formatter = facts.pop("()")(**facts)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Any:
    handler = Lines()
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def owner(db: None, settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    forget_keys()
    user = User.objects.create_user("olga@secrets.example", PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def tenant(owner: User) -> Tenant:
    return open_tenant(name="Secrets", owner=owner, actor=SYSTEM, as_of=timezone.now())


def make_key(tenant: Tenant | None, kind: KeyKind) -> CreatedKey:
    scopes = [Scope.OPERATOR] if tenant is None else list(SCOPES_FOR_TENANT_KEYS)
    terms = KeyTerms(name="Backend", scopes=scopes)
    return create_api_key(tenant=tenant, kind=kind, terms=terms, actor=SYSTEM, as_of=timezone.now())


@dataclass
class Made:
    """The secrets that were created, by kind."""

    secrets: dict[str, str] = field(default_factory=dict)

    def note(self, kind: str, secret: str) -> str:
        assert len(secret) >= 6, kind
        self.secrets[kind] = secret
        return secret


def server() -> psycopg.Connection:
    with connection.cursor():  # sets the reach of PostgreSQL to the rows of every tenant, as for a command
        pass
    raw: psycopg.Connection = connection.connection
    return raw


def kept() -> str:
    return "\n".join(text for _, text in every_row(server()))


def code_in_mail() -> str:
    found = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found is not None, mail.outbox[-1].body
    return found[1]


def api(method: str, path: str, key: str, body: object = None, **headers: str) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}"} | headers
    return Client().generic(method, f"/api/v1{path}", data, "application/json", headers=headers)


def test_control_the_search_finds_planted_secrets(tenant: Tenant) -> None:
    # The control: the search finds secrets in text, in bytes and in a session as Django packs it.
    key = generate_key(KeyKind.LIVE)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_idempotencyrecord"
            " (scope_id, key, request_digest, status, body, is_sealed, created_at, expires_at)"
            " VALUES (gen_random_uuid(), 'needle-1', 'x', 201, 'needle-2', false, now(), now())"
        )
        cursor.execute(
            "INSERT INTO django_session VALUES ('s1', %s, now()), ('s2', %s, now())",
            ["eyJuIjoibmVlZGxlLTMiLCJwYWRkaW5nIjoxfQ:x", f"a {key} b"],
        )
    assert {"needle-1", "needle-2", "needle-3"} <= set(re.findall(r"needle-\d", kept()))
    assert secrets_in_rows(server()) == ["django_session: API key"]


def test_no_table_log_line_or_refusal_holds_a_key(tenant: Tenant, log: Lines) -> None:
    made, keys = Made(), {kind: make_key(None if kind is KeyKind.SERVICE else tenant, kind) for kind in KeyKind}
    for kind, key in keys.items():
        made.note(kind, key.secret)
    live = keys[KeyKind.LIVE].secret
    new = {"name": "New", "scopes": ["keys:manage"]}
    created = json.loads(api("POST", "/keys", live, new, **{"Idempotency-Key": "once"}).content)
    made.note("created", created["secret"])
    path = f"/keys/{created['id']}/rotate"
    answer = api("POST", path, live, {"grace_seconds": 60}, **{"Idempotency-Key": "twice"})
    made.note("rotated", json.loads(answer.content)["secret"])

    refusals = [
        api("GET", f"/keys/{live}", live),
        api("GET", f"/nothing/{live}/here", live),
        api("GET", f"/keys?api_key={live}", live),
        api("GET", "/keys", f"{live}x"),
        api("GET", "/keys", live, **{"X-Request-ID": live}),
        api("POST", "/events", live, {"id": live, "type": "nonsense"}),
        api("POST", "/events", live, {"id": "a", "type": live, live: 1}),
        Client().get(f"/t/{live}/"),
    ]

    assert IngestVerdict.objects.count() == 2, "the refused are remembered"
    assert any(f'"path": "/api/v1/keys/{live[:12]}' in line for line in log.lines), log.lines
    answered = "\n".join(f"{answer['X-Request-ID']} {answer.content.decode()}" for answer in refusals)
    rows = kept()
    assert live[:12] in rows, "the rows of the tenant are seen"
    everything = rows + "\n".join(log.lines) + answered
    for what, secret in made.secrets.items():
        assert secret not in everything, what
        assert secret[12:] not in everything, what


def test_no_exception_writes_a_secret_into_log_job_or_debug_page(tenant: Tenant, log: Lines, settings: Any) -> None:
    key, address = generate_key(KeyKind.LIVE), "postgres://app:correct-horse@db"

    def fail() -> Any:
        presented = key
        password = PASSWORD
        raise ValueError(f"no {presented} in {address} for {len(password)}")

    with pytest.raises(ValueError, match=r"no ch_live_\w{4}…") as failed:
        run_job(name="doomed", started_by="test", as_of=timezone.now(), work=fail)
    assert key not in f"{failed.value} {failed.value!r}", "what the queue keeps of a failed task"
    settings.DEBUG = True
    settings.SOME_ADDRESS = address
    form = {"password": TYPED, "plain": key}
    request = RequestFactory().post(f"/x/{key}?k={key}", form, headers={"Cookie": f"session={CRUMBS}"})
    try:
        fail()
    except ValueError as error:
        logging.getLogger("any").exception("failed")
        for kind in ("text/html", "text/plain"):
            request.META["HTTP_ACCEPT"] = kind
            request.__dict__.pop("accepted_types", None)
            page = technical_500_response(request, type(error), error, error.__traceback__)
            assert b"ValueError" in page.content
            log.lines.append(page.content.decode())
    log.lines.append(str(JobRun.objects.get(name="doomed").summary))
    said = "\n".join(log.lines)
    assert "…" in said
    for secret in (key, key[12:], "correct-horse", TYPED, CRUMBS, PASSWORD):
        assert secret not in said, secret


def test_a_session_and_its_key_in_a_dump_are_of_no_use(
    tenant: Tenant, owner: User, django_capture_on_commit_callbacks: Any, settings: Any
) -> None:
    settings.MFA_TOTP_TOLERANCE = 10  # a busy machine may take minutes between a code and its use
    made, newt, client = Made(), Client(), Client()
    with django_capture_on_commit_callbacks(execute=True):
        invite_member(tenant=tenant, email="newt@secrets.example", role=Role.VIEWER, actor=SYSTEM, as_of=timezone.now())
    made.note("invitation", re.findall(r"/invitations/([\w-]+)/", str(mail.outbox[-1].body))[0])
    newt.get(f"/invitations/{made.secrets['invitation']}/")
    newt.post(reverse("account_signup"), {"email": "newt@secrets.example", "password1": PASSWORD})
    made.note("verification code", code_in_mail())
    Client().post(reverse("account_reset_password"), {"email": owner.email})
    made.note("reset code", code_in_mail())

    client.post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    client.get(reverse("mfa_activate_totp"))
    secret = made.note("TOTP secret", client.session[SECRET_SESSION_KEY])
    before = kept()
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    client.post(reverse("mfa_activate_totp"), {"code": code})
    page = client.get(reverse("mfa_view_recovery_codes")).content.decode()
    made.note("recovery code", re.findall(r"\b[0-9a-f]{8}\b|\b\d{8}\b", page)[0])
    cookie = made.note("session", client.cookies["session"].value)
    assert client.get(reverse("mfa_index")).status_code == 200

    everything = before + kept()
    for kind, secret in made.secrets.items():
        assert secret not in everything, kind
    session_key = str(client.session.session_key)
    assert session_key in everything, "the row is found by its key"
    for stolen in (session_key, f"{session_key}.x", cookie[:-1]):
        thief = Client()
        thief.cookies["session"] = stolen
        assert thief.get(reverse("mfa_index")).status_code == 302, "a key from a dump is no session"


def test_stripes_secrets_are_sealed_or_not_kept(fake_stripe: FakeStripe, tenant: Tenant, settings: Any) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ""
    settings.PUBLIC_URL = "https://billing.example.com"
    assert "created at Stripe" in set_up_providers()[0]
    row = WebhookEndpoint.objects.get()
    secret = endpoint_secret(row.djstripe_uuid)
    assert secret is not None
    assert secret.startswith("whsec_")
    assert "unchanged" in set_up_providers()[0], "what is sealed is known again"
    customer = stripe_api.create_customer(tenant_id=tenant.pk)
    assert mirror_object(customer) == ""

    everything = kept()
    assert str(customer["id"]) in everything
    for hidden in (secret, secret.removeprefix("whsec_"), STRIPE_KEY):
        assert hidden not in everything
    assert not APIKey.objects.exists()


def test_a_secret_of_an_endpoint_outlives_a_change_of_the_signing_secret(
    fake_stripe: FakeStripe, db: None, settings: Any
) -> None:
    set_up_providers()
    row = WebhookEndpoint.objects.get()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret of more than fifty characters, surely " * 2
    assert endpoint_secret(row.djstripe_uuid) == settings.STRIPE_WEBHOOK_SECRET
    settings.SECRET_KEY_FALLBACKS = []
    assert endpoint_secret(row.djstripe_uuid) is None
    set_up_providers()
    assert endpoint_secret(row.djstripe_uuid) == settings.STRIPE_WEBHOOK_SECRET


def test_keys_that_dj_stripe_kept_are_deleted_at_the_next_start(fake_stripe: FakeStripe, db: None) -> None:
    APIKey.objects.create(secret=STRIPE_KEY, type="secret", livemode=False)
    call_command("provider_setup", verbosity=0)
    assert not APIKey.objects.exists()
    assert STRIPE_KEY not in kept()


# The signing secret


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\xff" * 80], ids=["empty", "blank", "short", "no text"])
def test_an_invalid_signing_secret_is_refused_with_a_message(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret_key"
    file.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=r"secret_key .*\."):
        Environment({}).secret_key("development", tmp_path)
    assert file.read_bytes() == content


def test_an_unreadable_signing_secret_is_refused_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "secret_key").mkdir()
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        stored_secret(tmp_path / "secret_key")


def test_a_signing_secret_is_created_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = stored_secret(tmp_path / "secret_key")
    assert len(first) >= 50
    assert stored_secret(tmp_path / "secret_key") == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
    assert stored_secret(tmp_path / "other" / "secret_key") != first


def test_settings_without_a_signing_secret_are_refused() -> None:
    wrong = {
        "REDIS_URL": "http://:hidden@redis",
        "DATABASE_URL": "mysql://app:hidden@db/x",
        "EMAIL_URL": "ftp://a:hidden@b",
    }
    reads: list[Callable[[Environment], object]] = [
        lambda env: env.redis_url(),
        lambda env: env.database("DATABASE_URL"),
        lambda env: env.email("EMAIL_URL", ""),
    ]
    for read in reads:
        with pytest.raises(ImproperlyConfigured) as refused:
            read(Environment(wrong))
        assert "hidden" not in str(refused.value)


# What is written without a request


def test_no_secret_is_an_argument_of_a_process_or_in_a_repr(tenant: Tenant) -> None:
    plan = RunPlan.from_environment({"PORT": "8270", "SECRET_KEY": "x" * 60}).with_fake_stripe()
    assert plan.environment["STRIPE_WEBHOOK_SECRET"] == FAKE_STRIPE_WEBHOOK_SECRET
    commands = [*plan.stripe_command, *plan.web_command, *plan.manage("qcluster")]
    assert FAKE_STRIPE_WEBHOOK_SECRET not in " ".join(commands) + repr(plan)
    assert "x" * 60 not in repr(plan)
    key = make_key(tenant, KeyKind.LIVE)
    demo = DemoCredentials(customer_password="typed in", api_key=key.secret)
    assert key.secret not in repr(key) + repr(demo)
    assert "typed in" not in repr(demo)
