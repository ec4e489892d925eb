"""Each invariant of the accounts tables holds against every writer, also one that goes past the services."""

from contextlib import AbstractContextManager
from datetime import datetime

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from accounts.domain.actor import ActorKind
from accounts.domain.identifiers import uuid7
from accounts.keys.services.api_keys import CreatedKey
from accounts.models import ApiKey, AuditEntry, IdempotencyRecord, Invitation, JobRun, Membership, Tenant, User


def refuses(name: str) -> AbstractContextManager[object]:
    return pytest.raises(IntegrityError, match=name)


def test_a_service_key_has_no_tenant_and_every_other_key_has_one(acme_key: CreatedKey) -> None:
    for change in ({"kind": "service"}, {"tenant": None}):
        with refuses("api_key_service_means_no_tenant"), transaction.atomic():
            ApiKey.objects.update(**change)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"kind": "other"}, "api_key_kind_known"),
        ({"throttle_rate": 1}, "api_key_throttle_whole"),
        ({"throttle_rate": 0, "throttle_burst": 1}, "api_key_throttle_whole"),
        ({"quota": -1}, "api_key_quota_not_negative"),
    ],
)
def test_a_key_keeps_its_terms_sane(acme_key: CreatedKey, change: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        ApiKey.objects.update(**change)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"status": "other"}, "tenant_status_known"),
        ({"backfill_days": 0}, "tenant_backfill_days_bounded"),
        ({"backfill_days": 401}, "tenant_backfill_days_bounded"),
    ],
)
def test_a_tenant_keeps_its_settings_sane(acme: Tenant, change: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        Tenant.objects.update(**change)


def test_a_user_is_once_a_member_with_a_known_role(acme: Tenant, alice: User, now: datetime) -> None:
    with refuses("membership_once_per_tenant"), transaction.atomic():
        Membership.objects.create(tenant=acme, user=alice, role="viewer", created_at=now)
    with refuses("membership_role_known"), transaction.atomic():
        Membership.objects.update(role="king")


def test_an_address_has_one_open_invitation_which_ends_one_way(acme: Tenant, now: datetime) -> None:
    facts = {"tenant": acme, "role": "viewer", "created_at": now, "expires_at": now}
    Invitation.objects.create(email="new@example.com", token_digest=b"1" * 32, **facts)
    with refuses("invitation_one_open_per_address"), transaction.atomic():
        Invitation.objects.create(email="New@Example.com", token_digest=b"2" * 32, **facts)
    with refuses("invitation_not_both_accepted_and_revoked"), transaction.atomic():
        Invitation.objects.update(accepted_at=now, revoked_at=now)
    with refuses("invitation_role_known"), transaction.atomic():
        Invitation.objects.update(role="king")


def test_an_address_belongs_to_one_user_in_any_case(alice: User) -> None:
    with refuses("user_email_unique_in_any_case"), transaction.atomic():
        User.objects.create_user("ALICE@example.com")


def test_an_idempotent_response_is_kept_once(acme: Tenant, now: datetime) -> None:
    facts = {
        "scope_id": uuid7(now),
        "key": "k",
        "request_digest": b"",
        "status": 201,
        "body": b"",
        "created_at": now,
        "expires_at": now,
    }
    IdempotencyRecord.objects.create(**facts)
    with refuses("idempotency_record_once_per_scope"), transaction.atomic():
        IdempotencyRecord.objects.create(**facts)


def test_a_job_that_ended_says_how(db: None, now: datetime) -> None:
    JobRun.objects.create(name="x", started_at=now)
    with refuses("job_run_finished_has_outcome"), transaction.atomic():
        JobRun.objects.update(outcome="succeeded")
    with refuses("job_run_outcome_known"), transaction.atomic():
        JobRun.objects.update(outcome="other", finished_at=now)


def test_an_audit_entry_names_a_known_kind_of_actor(acme: Tenant, now: datetime) -> None:
    with refuses("audit_entry_actor_kind_known"), transaction.atomic():
        AuditEntry.objects.create(
            actor_kind="ghost", actor_label="x", action="x", target_kind="x", target_id="x", occurred_at=now
        )


@pytest.mark.parametrize(
    "statement",
    ["UPDATE accounts_auditentry SET action = 'x'", "DELETE FROM accounts_auditentry", "TRUNCATE accounts_auditentry"],
)
def test_the_application_can_neither_change_nor_remove_an_audit_entry(acme: Tenant, statement: str) -> None:
    assert AuditEntry.objects.filter(actor_kind=ActorKind.MEMBER).exists()
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
