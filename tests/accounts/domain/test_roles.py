"""Roles: who may do what, and to whom."""

import pytest

from accounts.domain.roles import CAPABILITIES, Capability, Role, has_capability, lower_of, may_manage, outranks


@pytest.mark.parametrize(
    ("role", "capabilities"),
    [
        (Role.OWNER, set(Capability)),
        (Role.ADMIN, set(Capability) - {Capability.OWN_TENANT}),
        (Role.DEVELOPER, {Capability.MANAGE_KEYS, Capability.READ_USAGE, Capability.MANAGE_WEBHOOKS}),
        (Role.BILLING, {Capability.MANAGE_BILLING, Capability.READ_USAGE}),
        (Role.VIEWER, {Capability.READ_USAGE}),
    ],
)
def test_a_role_allows_what_its_line_says(role: Role, capabilities: set[Capability]) -> None:
    assert {capability for capability in Capability if has_capability(role, capability)} == capabilities


def test_every_role_has_its_line() -> None:
    assert set(CAPABILITIES) == set(Role)


@pytest.mark.parametrize("middle", [Role.DEVELOPER, Role.BILLING])
def test_roles_are_in_order_and_none_is_above_itself(middle: Role) -> None:
    order = [Role.OWNER, Role.ADMIN, middle, Role.VIEWER]
    for higher, role in enumerate(order):
        for lower, other in enumerate(order):
            assert outranks(role, other) == (higher < lower)


def test_developer_and_billing_are_beside_each_other() -> None:
    assert not outranks(Role.DEVELOPER, Role.BILLING)
    assert not outranks(Role.BILLING, Role.DEVELOPER)


def test_a_higher_role_can_do_all_that_a_lower_one_can() -> None:
    for role in Role:
        for other in Role:
            if outranks(role, other):
                assert CAPABILITIES[role] >= CAPABILITIES[other]


@pytest.mark.parametrize(
    ("actor", "manageable"),
    [
        (Role.OWNER, set(Role)),
        (Role.ADMIN, {Role.DEVELOPER, Role.BILLING, Role.VIEWER}),
        (Role.DEVELOPER, set()),
        (Role.BILLING, set()),
        (Role.VIEWER, set()),
    ],
)
def test_only_a_higher_role_manages_members(actor: Role, manageable: set[Role]) -> None:
    assert {role for role in Role if may_manage(actor, role)} == manageable


@pytest.mark.parametrize("role", Role)
def test_the_lower_of_two_roles_allows_no_more_than_either(role: Role) -> None:
    for other in Role:
        assert lower_of(role, other) is lower_of(other, role)
        assert CAPABILITIES[lower_of(role, other)] == CAPABILITIES[role] & CAPABILITIES[other]
