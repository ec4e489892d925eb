"""Every sign-in, successful or not, is in the audit log, with its address and without what was typed."""

import json

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.core import serializers
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.models import AuditEntry, User
from accounts.services.tenants import open_tenant
from tests.security.conftest import PASSWORD, SECRET, code_now, entered, log_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_cache", "still_clock")]
WRONG = "a secret that is wrong"
AUDITED, FOUND = '"accounts_auditentry"', 'OR "accounts_user"."id" IN'
FROM_ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}


def noted() -> list[tuple[str, str, str, str | None]]:
    entries = AuditEntry.objects.filter(action__startswith="account.").order_by("id")
    return [(entry.action, entry.actor_label, entry.target_label, entry.ip) for entry in entries]


def everything_noted() -> str:
    return str(serializers.serialize("json", AuditEntry.objects.all()))


def test_a_wrong_password_is_logged_at_the_account_by_an_unknown_actor(dora: User) -> None:
    log_in(Client(), "DORA@example.com", WRONG, **FROM_ELSEWHERE)
    assert noted() == [("account.sign_in_failed", "visitor", "dora@example.com", "203.0.113.9")]
    assert AuditEntry.objects.get().actor_user is None


def test_an_unknown_address_is_logged_without_what_was_typed(dora: User) -> None:
    known = log_in(Client(), dora.email, WRONG)
    unknown = log_in(Client(), "my-password@typed.example", WRONG)
    assert [entry[2] for entry in noted()] == ["dora@example.com", "unknown address"]
    assert (known.status_code, known.context["form"].errors) == (unknown.status_code, unknown.context["form"].errors)
    for secret in ("my-password", WRONG):
        assert secret not in everything_noted()


def test_logging_a_failure_takes_the_same_queries_for_known_and_unknown_addresses(dora: User) -> None:
    def queries_of_ours(address: str) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            log_in(Client(), address, WRONG)
        ours = [query["sql"] for query in captured.captured_queries if AUDITED in query["sql"] or FOUND in query["sql"]]
        return [sql.split()[0] for sql in ours]

    assert queries_of_ours(dora.email) == queries_of_ours("unknown@example.com") == ["SELECT", "INSERT"]


def test_signing_in_and_out_is_logged_with_its_steps(dora: User) -> None:
    TOTP.activate(dora, SECRET)
    client = Client()
    log_in(client, dora.email)
    client.post(reverse("mfa_authenticate"), {"code": "000000"}, **FROM_ELSEWHERE)
    client.post(reverse("mfa_authenticate"), {"code": code_now()})
    client.post(reverse("account_logout"))
    assert [entry[0] for entry in noted()] == [
        "account.second_factor_failed", "account.signed_in", "account.signed_out"
    ]  # fmt: skip
    failed, entry, _ = AuditEntry.objects.order_by("id")
    assert (failed.actor_label, failed.target_label, failed.ip) == ("visitor", dora.email, "203.0.113.9")
    assert entry.after == {"with": ["password", "totp"]}


def test_staff_who_sign_out_in_the_admin_are_logged_too(robin: User) -> None:
    entered(robin).post(reverse("admin:logout"))
    assert noted() == [("account.signed_out", robin.email, robin.email, "127.0.0.1")]


def test_signing_in_again_is_logged_whether_it_fails_or_not(dora: User) -> None:
    client = entered(dora)
    client.post(reverse("account_reauthenticate"), {"password": WRONG})
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    TOTP.activate(dora, SECRET)
    client.post(reverse("mfa_reauthenticate"), {"code": "000000"})
    assert [entry[0] for entry in noted()] == [
        "account.reauthentication_failed", "account.reauthenticated", "account.reauthentication_failed"
    ]  # fmt: skip


def test_a_password_reset_is_logged_when_a_code_is_sent_and_when_one_is_wrong(dora: User) -> None:
    client = Client()
    client.post(reverse("account_reset_password"), {"email": dora.email})
    client.post(reverse("account_confirm_password_reset_code"), {"code": "WRONG1"})
    Client().post(reverse("account_reset_password"), {"email": "unknown@example.com"})
    assert [entry[0] for entry in noted()] == ["account.password_reset_asked", "account.code_refused"]
    assert "WRONG1" not in everything_noted()


def test_repeated_guesses_do_not_fill_the_log(dora: User) -> None:
    for _ in range(9):
        log_in(Client(), dora.email, WRONG)
    actions = [entry[0] for entry in noted()]
    assert actions == ["account.sign_in_failed"] * 5 + ["account.sign_in_limited"]


def test_staff_have_a_list_of_sign_ins_and_a_person_sees_their_own(robin: User, dora: User) -> None:
    open_tenant(name="Acme", owner=dora, actor=Actor.system("test"), as_of=timezone.now())
    log_in(Client(), dora.email, WRONG, **FROM_ELSEWHERE)
    log_in(Client(), robin.email, WRONG)
    page = entered(robin).get(reverse("admin:accounts_auditentry_changelist"), {"about": "sign_in"})
    listed = {(entry.action, entry.target_label) for entry in page.context["cl"].result_list}
    assert listed == {("account.sign_in_failed", dora.email), ("account.sign_in_failed", robin.email)}
    own = entered(dora).get("/t/acme/security/")
    assert "Wrong password" in own.text
    assert "203.0.113.9" in own.text
    assert [row.entry.target_label for row in own.context["recent"]] == [dora.email]


def test_entries_of_sign_ins_are_plain_values(dora: User) -> None:
    log_in(Client(), dora.email)
    assert json.loads(json.dumps(AuditEntry.objects.get().after)) == {"with": ["password"]}
