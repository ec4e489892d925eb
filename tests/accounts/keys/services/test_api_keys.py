"""Who may create, rotate and revoke keys, and what the audit log records of it.

The tests of the API cover the terms of a key.
"""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.principal import Principal
from accounts.domain.roles import Role
from accounts.domain.scopes import Scope
from accounts.errors import (
    InvalidFieldsError,
    KeyEndedError,
    PermissionMissingError,
    TooManyKeysError,
    WiderThanOwnError,
)
from accounts.keys.services import api_keys
from accounts.keys.services.api_keys import (
    CreatedKey,
    KeyTerms,
    create_api_key,
    revoke_all_keys,
    revoke_api_key,
    rotate_api_key,
)
from accounts.models import ApiKey, AuditEntry, Tenant, User
from accounts.selectors.api_keys import find_principal, key_ids_named
from tests.accounts.conftest import SYSTEM, KeyMaker, member


def test_developers_create_keys_and_viewers_and_strangers_do_not(
    acme: Tenant, bob: User, vera: User, charlie: User, make_key: KeyMaker, now: datetime
) -> None:
    made = make_key(acme, scopes=["events:write"], actor=member(bob))
    assert made.key.created_by == bob
    for user in (vera, charlie):
        actor = member(user, Role.OWNER)
        for attempt in (
            lambda actor=actor: make_key(acme, actor=actor),
            lambda actor=actor: rotate_api_key(key=made.key, grace=timedelta(0), actor=actor, as_of=now),
            lambda actor=actor: revoke_api_key(key=made.key, actor=actor, as_of=now),
            lambda actor=actor: revoke_all_keys(tenant=acme, actor=actor, as_of=now),
        ):
            with pytest.raises(PermissionMissingError):
                attempt()
    assert ApiKey.objects.filter(revoked_at=None, expires_at=None).count() == 1


def test_only_operators_create_service_keys(alice: User, make_key: KeyMaker) -> None:
    assert make_key(None).key.tenant is None
    with pytest.raises(PermissionMissingError):
        make_key(None, actor=member(alice, Role.OWNER))


def test_staff_who_view_as_a_customer_change_nothing(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    key = make_key(acme).key
    sam = Actor.viewing(user_id=1, label="sam as alice", role=Role.OWNER)
    with pytest.raises(PermissionMissingError):
        make_key(acme, actor=sam)
    with pytest.raises(PermissionMissingError):
        rotate_api_key(key=key, grace=timedelta(0), actor=sam, as_of=now)
    with pytest.raises(PermissionMissingError):
        revoke_api_key(key=key, actor=sam, as_of=now)
    key.refresh_from_db()
    assert key.revoked_at is None
    assert ApiKey.objects.count() == 1


def test_each_change_is_an_entry_without_the_secret(acme_key: CreatedKey, now: datetime) -> None:
    successor = rotate_api_key(key=acme_key.key, grace=timedelta(hours=1), actor=SYSTEM, as_of=now)
    revoke_api_key(key=successor.key, actor=SYSTEM, as_of=now)
    entries = {entry.action: entry for entry in AuditEntry.objects.filter(target_kind="api_key")}
    assert set(entries) == {"api_key.created", "api_key.rotated", "api_key.revoked"}
    assert entries["api_key.created"].after["scopes"] == [scope.value for scope in Scope if scope is not Scope.OPERATOR]
    assert entries["api_key.rotated"].after["successor"] == str(successor.key.pk)
    assert entries["api_key.rotated"].target_id == str(acme_key.key.pk)
    assert entries["api_key.revoked"].tenant == acme_key.key.tenant


def test_the_grace_never_outlives_the_key(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    end = now + timedelta(minutes=5)
    old = make_key(acme, expires_at=end).key
    successor = rotate_api_key(key=old, grace=timedelta(hours=1), actor=SYSTEM, as_of=now)
    old.refresh_from_db()
    assert (old.expires_at, successor.key.expires_at) == (end, end)


def test_a_key_that_ended_is_not_rotated(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    revoked, expired = make_key(acme).key, make_key(acme, expires_at=now + timedelta(seconds=1)).key
    revoke_api_key(key=revoked, actor=SYSTEM, as_of=now)
    for key in (revoked, expired):
        with pytest.raises(KeyEndedError):
            rotate_api_key(key=key, grace=timedelta(0), actor=SYSTEM, as_of=now + timedelta(seconds=2))


def test_all_keys_of_one_tenant_are_revoked_and_no_others(
    acme: Tenant, globex: Tenant, make_key: KeyMaker, now: datetime
) -> None:
    mine, other = [make_key(acme), make_key(acme, KeyKind.TEST)], make_key(globex)
    assert revoke_all_keys(tenant=acme, actor=SYSTEM, as_of=now) == 2
    assert revoke_all_keys(tenant=acme, actor=SYSTEM, as_of=now) == 0
    assert [find_principal(key.secret, now) for key in mine] == [None, None]
    assert find_principal(other.secret, now) is not None


def test_the_number_of_active_keys_is_bounded(
    acme: Tenant, make_key: KeyMaker, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "KEYS_MAX", 2)
    first = make_key(acme)
    make_key(acme)
    with pytest.raises(TooManyKeysError):
        make_key(acme)
    revoke_api_key(key=first.key, actor=SYSTEM, as_of=now)
    make_key(acme)


@pytest.mark.parametrize(
    "terms",
    [
        {"quota": Decimal("NaN")},
        {"quota": Decimal("Infinity")},
        {"throttle_rate": 5},
        {"allowed_cidrs": ["10.0.0.0/8"] * 51},
    ],
)
def test_terms_that_no_form_would_send_are_refused_too(
    acme: Tenant, make_key: KeyMaker, terms: dict[str, object]
) -> None:
    with pytest.raises(InvalidFieldsError):
        make_key(acme, **terms)


def test_a_secret_that_is_no_key_has_no_principal(db: None, now: datetime) -> None:
    assert find_principal("ch_live_" + "0" * 38, now) is None


def test_a_principal_knows_what_requests_need(acme: Tenant, now: datetime) -> None:
    made = create_api_key(
        tenant=acme,
        kind=KeyKind.TEST,
        terms=KeyTerms(
            name=" Tests ",
            scopes=["usage:read"],
            allowed_cidrs=["10.0.0.0/8", "10.0.0.0/8"],
            throttle_rate=5,
            throttle_burst=9,
            quota=Decimal(10),
        ),
        actor=SYSTEM,
        as_of=now,
    )
    principal = find_principal(made.secret, now)
    assert principal is not None
    assert (principal.name, principal.is_live, principal.scopes) == ("Tests", False, {Scope.USAGE_READ})
    assert (principal.allowed_cidrs, principal.throttle_rate, principal.throttle_burst, principal.quota) == (
        ("10.0.0.0/8",),
        5,
        9,
        10,
    )
    assert principal.tenant is not None
    assert principal.tenant.slug == "acme"


def test_keys_are_found_by_id_and_by_their_first_characters(acme: Tenant, globex: Tenant, acme_key: CreatedKey) -> None:
    for name in (str(acme_key.key.pk), acme_key.key.prefix):
        assert key_ids_named(tenant_id=acme.pk, name=name) == [acme_key.key.pk]
        assert key_ids_named(tenant_id=globex.pk, name=name) == []


def principal_with(made: CreatedKey, now: datetime) -> Principal:
    principal = find_principal(made.secret, now)
    assert principal is not None
    return principal


def test_a_key_limited_to_networks_rotates_none_without_limits(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    bound = principal_with(make_key(acme, allowed_cidrs=["2001:db8::/32"]), now)
    with pytest.raises(WiderThanOwnError):
        rotate_api_key(key=make_key(acme).key, grace=timedelta(0), actor=SYSTEM, as_of=now, granted_by=bound)
    inside = make_key(acme, allowed_cidrs=["2001:db8:1::/48"]).key
    assert (
        rotate_api_key(key=inside, grace=timedelta(0), actor=SYSTEM, as_of=now, granted_by=bound).key.rotated_from
        == inside
    )
    with pytest.raises(WiderThanOwnError):
        make_key(acme, allowed_cidrs=["10.0.0.0/8"], granted_by=bound)


def test_a_service_key_gives_only_its_own_scopes(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    # The operator's provisioning runs in a network of its own, and creates keys for customers elsewhere.
    terms = {"allowed_cidrs": ["10.0.0.0/8"], "expires_at": now + timedelta(days=1)}
    plain = principal_with(make_key(None, scopes=[Scope.KEYS_MANAGE], **terms), now)
    operator = principal_with(make_key(None, scopes=[Scope.KEYS_MANAGE, Scope.OPERATOR], **terms), now)
    assert make_key(acme, scopes=[Scope.KEYS_MANAGE], granted_by=plain).key.allowed_cidrs == []
    with pytest.raises(WiderThanOwnError):
        make_key(acme, scopes=[Scope.USAGE_READ], granted_by=plain)
    assert make_key(acme, scopes=[Scope.USAGE_READ], granted_by=operator).key.expires_at is None


@pytest.mark.parametrize("grace", [timedelta(seconds=-1), timedelta(days=30, seconds=1)])
def test_a_grace_has_bounds(acme_key: CreatedKey, now: datetime, grace: timedelta) -> None:
    with pytest.raises(InvalidFieldsError):
        rotate_api_key(key=acme_key.key, grace=grace, actor=SYSTEM, as_of=now)


def test_a_limited_key_creates_no_wider_one(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    bound = principal_with(make_key(acme, throttle_rate=5, throttle_burst=9, quota=Decimal(10)), now)
    for wider in ({"quota": Decimal(11)}, {"throttle_rate": 6, "throttle_burst": 9}):
        with pytest.raises(WiderThanOwnError):
            make_key(acme, granted_by=bound, **wider)
    made = make_key(acme, granted_by=bound, quota=Decimal(4)).key
    assert (made.throttle_rate, made.throttle_burst, made.quota) == (5, 9, 4)
    with pytest.raises(WiderThanOwnError):
        rotate_api_key(key=make_key(acme).key, grace=timedelta(0), actor=SYSTEM, as_of=now, granted_by=bound)
