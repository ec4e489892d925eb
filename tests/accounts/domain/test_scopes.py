"""Scopes: named, known, and those of operators kept apart."""

import pytest

from accounts.domain.scopes import SCOPES_FOR_SERVICE_KEYS, SCOPES_FOR_TENANT_KEYS, Scope, validate
from accounts.errors import InvalidFieldsError


def test_scopes_come_back_once_and_in_order() -> None:
    assert validate(["usage:read", "events:write", "usage:read"]) == (Scope.EVENTS_WRITE, Scope.USAGE_READ)


def test_a_tenant_s_key_cannot_be_an_operator_s() -> None:
    assert Scope.OPERATOR not in SCOPES_FOR_TENANT_KEYS
    with pytest.raises(InvalidFieldsError) as raised:
        validate(["usage:read", "operator"])
    assert [(error.pointer, error.code) for error in raised.value.field_errors] == [("/scopes/1", "invalid_scope")]
    assert validate(["operator"], allowed=SCOPES_FOR_SERVICE_KEYS) == (Scope.OPERATOR,)


@pytest.mark.parametrize("name", ["", "events", "EVENTS:WRITE", "events:write ", "*"])
def test_an_unknown_scope_is_refused(name: str) -> None:
    with pytest.raises(InvalidFieldsError):
        validate([name])


def test_a_key_without_scopes_is_refused() -> None:
    with pytest.raises(InvalidFieldsError) as raised:
        validate([])
    assert raised.value.field_errors[0].pointer == "/scopes"
