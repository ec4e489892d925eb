"""How people sign in: sign-up, verification by code, login, reset, a second factor, sessions."""

import re
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, TOTP, format_hotp_value, hotp_value
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.cache import cache, caches
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from django.utils import timezone

from accounts.api.sign_in import UNKNOWN_ADDRESS, AccountAdapter, MFAAdapter
from accounts.domain.roles import Role
from accounts.models import AuditEntry, Tenant, User
from accounts.services.members import invite_member
from config.staff.viewing import is_customer, may_view_as_customer
from tests.accounts.conftest import PASSWORD, SYSTEM, make_user

pytestmark = pytest.mark.usefixtures("quick_hashing", "clean_cache")
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def quick_hashing(settings: Any) -> None:
    """Hash passwords fast: the tests try the way in, not how long a guess takes."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def code_in_mail() -> str:
    match = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", str(mail.outbox[-1].body), re.MULTILINE)
    assert match is not None, mail.outbox[-1].body
    return match[1]


def sign_up(client: Client, email: str, **extra: Any) -> Any:
    return client.post(reverse("account_signup"), {"email": email, "password1": PASSWORD}, **extra)


def log_in(client: Client, email: str, password: str = PASSWORD, **extra: Any) -> Any:
    return client.post(reverse("account_login"), {"login": email, "password": password}, **extra)


def noted(user: User) -> list[str]:
    """Return the audit log's actions about the person's account. Fail if an entry holds anything that was typed in."""
    entries = AuditEntry.objects.filter(target_kind="user", target_id=user.pk, actor_user=user, ip="127.0.0.1")
    assert not any(entry.before or set(entry.after) - {"with"} for entry in entries)
    return list(entries.order_by("id").values_list("action", flat=True))


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


@pytest.fixture
def dora(db: None) -> User:
    return make_user("dora@example.com", password=PASSWORD)


def test_a_newcomer_signs_up_verifies_by_code_and_is_in(client: Client) -> None:
    sign_up(client, "newt@example.com")
    assert not is_signed_in(client)
    assert not EmailAddress.objects.get().verified
    client.post(reverse("account_email_verification_sent"), {"code": "WRONG1"})
    assert not is_signed_in(client)
    client.post(reverse("account_email_verification_sent"), {"code": code_in_mail()})
    assert EmailAddress.objects.get().verified
    assert is_signed_in(client)


def test_a_verification_code_expires_after_a_few_wrong_guesses(client: Client) -> None:
    sign_up(client, "newt@example.com")
    code = code_in_mail()
    for _ in range(5):
        client.post(reverse("account_email_verification_sent"), {"code": "WRONG1"})
    client.post(reverse("account_email_verification_sent"), {"code": code})
    assert not is_signed_in(client)


def test_a_verification_code_is_sent_again_after_a_wait_and_only_then_a_banner_says_so(client: Client) -> None:
    url = reverse("account_email_verification_sent")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        sign_up(client, "newt@example.com")
        first, page = code_in_mail(), client.get(url).content.decode()
        assert 'data-wait="30"' in page
        assert "Sign up with another one" in page
        assert "mail sent to" not in page
        clock.shift(timedelta(seconds=30))

        client.post(url, {"action": "resend"})

        assert code_in_mail() != first
        assert "mail sent to" in client.get(url).content.decode()
        client.post(url, {"code": first})
        assert not is_signed_in(client)
        client.post(url, {"code": code_in_mail()})
    assert is_signed_in(client)


def test_signing_up_with_a_known_address_looks_the_same_and_creates_no_user(client: Client, dora: User) -> None:
    stranger, known = sign_up(Client(), "stranger@example.com"), sign_up(client, "DORA@example.com")
    assert (stranger.status_code, stranger.url) == (known.status_code, known.url)
    assert User.objects.filter(email__iexact="dora@example.com").count() == 1
    assert not is_signed_in(client)


def test_a_closed_sign_up_lets_in_only_invited_people(
    client: Client, acme: Tenant, now: datetime, django_capture_on_commit_callbacks: Any
) -> None:
    with override_settings(SIGN_UP_OPEN=False):
        sign_up(client, "newt@example.com")
        assert not User.objects.filter(email="newt@example.com").exists()
        session = client.session
        session["invitation_token"] = "made-up"
        session.save()
        sign_up(client, "newt@example.com")
        assert not User.objects.filter(email="newt@example.com").exists()
        with django_capture_on_commit_callbacks(execute=True):
            invite_member(tenant=acme, email="newt@example.com", role=Role.VIEWER, actor=SYSTEM, as_of=now)
        session["invitation_token"] = re.findall(r"/invitations/([\w-]+)/", str(mail.outbox[-1].body))[0]
        session.save()
        sign_up(client, "newt@example.com")
        assert User.objects.filter(email="newt@example.com").exists()


def test_signing_in_changes_the_session_key_and_is_listed(client: Client, dora: User) -> None:
    client.get(reverse("account_login"))
    session = client.session
    session["seen"] = "before"
    session.save()
    before = session.session_key
    log_in(client, "dora@example.com")
    assert is_signed_in(client)
    assert client.session.session_key != before
    log_in(other := Client(), "dora@example.com")
    page = client.get(reverse("usersessions_list"))
    assert page.status_code == 200
    assert len(page.context["sessions"]) == 2
    client.post(reverse("usersessions_list"))  # signs out everywhere else
    assert not is_signed_in(other)
    assert is_signed_in(client)


def test_a_user_without_a_password_cannot_sign_in_with_one(client: Client) -> None:
    make_user("nopass@example.com")
    for password in ("", "!", PASSWORD):
        log_in(client, "nopass@example.com", password)
        assert not is_signed_in(client)


def test_guessing_a_password_is_limited_in_every_process(client: Client, dora: User) -> None:
    for _ in range(5):
        log_in(Client(), "dora@example.com", "wrong password")
    assert type(caches["default"]).__name__ in {"DatabaseCache", "BoundedRedisCache"}  # shared, not a process's own
    log_in(client, "dora@example.com")
    assert not is_signed_in(client)
    cache.clear()  # control: it is the limit that stops it
    log_in(client, "dora@example.com")
    assert is_signed_in(client)


def test_the_limit_looks_behind_our_proxies_and_no_further() -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})
    assert AccountAdapter().get_client_ip(request) == "10.0.0.1"
    with override_settings(TRUSTED_PROXY_COUNT=1):
        assert AccountAdapter().get_client_ip(request) == "203.0.113.9"
    assert AccountAdapter().get_client_ip(RequestFactory().get("/", REMOTE_ADDR="")) == UNKNOWN_ADDRESS


def test_a_forgotten_password_is_reset_by_code_and_ends_other_sessions(client: Client, dora: User) -> None:
    log_in(other := Client(), "dora@example.com")
    client.post(reverse("account_reset_password"), {"email": "dora@example.com"})
    assert mail.outbox[-1].to == ["dora@example.com"]
    client.post(reverse("account_confirm_password_reset_code"), {"code": code_in_mail()})
    fresh = "a quite different sentence"
    client.post(reverse("account_complete_password_reset"), {"password1": fresh, "password2": fresh})
    dora.refresh_from_db()
    assert dora.check_password(fresh)
    assert "account.password_reset" in noted(dora)
    assert other.get(reverse("usersessions_list")).status_code == 302


def test_resetting_the_password_of_an_unknown_address_looks_the_same(client: Client, dora: User) -> None:
    known = client.post(reverse("account_reset_password"), {"email": "dora@example.com"})
    unknown = Client().post(reverse("account_reset_password"), {"email": "stranger@example.com"})
    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)


@pytest.mark.parametrize(
    "page", ["mfa_activate_totp", "mfa_generate_recovery_codes", "mfa_add_webauthn", "account_email"]
)
def test_a_sensitive_page_requires_the_password_again(client: Client, dora: User, page: str) -> None:
    # Also when staff view as a customer: they do not know the customer's password.
    client.force_login(dora, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(reverse(page), {"code": "000000", "email": "other@example.com", "action_add": ""})
    assert answer.status_code == 302
    assert "/reauthenticate/" in answer.url or "/login/" in answer.url
    assert not Authenticator.objects.exists()
    assert EmailAddress.objects.count() == 1


def code_now(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


@pytest.mark.django_db(transaction=True)  # allauth mails after the commit, while the request still runs
def test_a_second_factor_is_added_after_the_password_and_its_secret_is_encrypted(client: Client, dora: User) -> None:
    log_in(client, "dora@example.com")
    assert client.get(reverse("mfa_activate_totp")).status_code == 302  # having signed in is not enough
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert client.get(reverse("mfa_activate_totp")).status_code == 200
    secret = client.session[SECRET_SESSION_KEY]
    client.post(reverse("mfa_activate_totp"), {"code": code_now(secret)})
    stored = Authenticator.objects.get(type=Authenticator.Type.TOTP).data["secret"]
    assert secret not in stored
    assert MFAAdapter().decrypt(stored) == secret
    assert SECRET_SESSION_KEY not in client.session
    assert noted(dora) == [
        "account.signed_in", "account.reauthenticated", "account.totp_activated"
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(data::text, '') FROM mfa_authenticator")
        assert secret not in cursor.fetchone()[0]


def test_a_second_factor_is_required_and_a_used_code_is_refused(client: Client, dora: User) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    TOTP.activate(dora, secret)
    log_in(client, "dora@example.com")
    assert not is_signed_in(client)
    code = code_now(secret)
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert is_signed_in(client)
    log_in(other := Client(), "dora@example.com")
    other.post(reverse("mfa_authenticate"), {"code": code})
    assert not is_signed_in(other)


def test_earlier_signing_secrets_still_decrypt(settings: Any) -> None:
    encrypted = MFAAdapter().encrypt("seed")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = (
        [settings.SECRET_KEY],
        "another secret of fifty characters and a few more than that",
    )
    assert MFAAdapter().decrypt(encrypted) == "seed"
    assert MFAAdapter().encrypt("seed") != encrypted


def test_recovery_codes_come_from_an_encrypted_seed_and_work_once(dora: User) -> None:
    codes = RecoveryCodes.activate(dora)
    stored = Authenticator.objects.get().data["seed"]
    assert MFAAdapter().decrypt(stored) != stored
    code = codes.get_unused_codes()[0]
    assert codes.validate_code(code)
    assert not codes.validate_code(code)


USE_CODES = """
import django; django.setup()
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
import sys
totp = TOTP(Authenticator.objects.get())
print("ready", flush=True)
for code in sys.stdin:
    print(totp.validate_code(code.strip()), flush=True)
"""


def process_that_checks_codes(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", USE_CODES],
        env={**environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def ask(process: subprocess.Popen[str], code: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(code + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.mark.django_db(transaction=True)
@pytest.mark.takes_long("it starts processes")
def test_a_code_used_in_one_process_is_worth_nothing_in_another(process_environment: dict[str, str]) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    TOTP.activate(make_user("dora@example.com"), secret)
    processes = [process_that_checks_codes(process_environment) for _ in range(2)]
    try:
        assert [process.stdout.readline().strip() for process in processes if process.stdout] == ["ready", "ready"]
        for _ in range(10):  # on a busy machine a code's half minute may be over before it is asked
            code = code_now(secret)
            answers = [ask(process, code) for process in processes]
            if "True" in answers:
                break
        assert answers == ["True", "False"]
    finally:
        for process in processes:
            process.communicate(timeout=120)


@pytest.mark.parametrize(
    ("traits", "may"),
    [
        ({"is_staff": True, "permitted": True}, True),
        ({"is_staff": True}, False),
        ({"permitted": True}, False),
        ({"is_staff": True, "permitted": True, "is_active": False}, False),
    ],
)
def test_staff_with_the_permission_may_view_as_a_customer(db: None, traits: dict[str, bool], may: bool) -> None:
    permitted = "permitted" in traits
    sam = User.objects.create_user("sam@example.com", **{name: traits[name] for name in traits if name != "permitted"})
    if permitted:
        sam.user_permissions.add(Permission.objects.get(codename="view_as_customer"))
    assert may_view_as_customer(sam) is may


@pytest.mark.parametrize("trait", [{"is_staff": True}, {"is_superuser": True}, {"is_active": False}])
def test_staff_can_view_as_customers_only(db: None, trait: dict[str, bool]) -> None:
    assert is_customer(User.objects.create_user("dora@example.com"))
    assert not is_customer(User.objects.create_user("colleague@example.com", **trait))
