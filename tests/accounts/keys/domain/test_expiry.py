"""Who is told that a key expires."""

from accounts.domain.roles import Role
from accounts.keys.domain.expiry import KEY_EXPIRY


def test_who_may_manage_keys_is_told_and_may_turn_it_off() -> None:
    assert KEY_EXPIRY.roles_allowed == KEY_EXPIRY.roles_by_default == {Role.OWNER, Role.ADMIN, Role.DEVELOPER}
    assert KEY_EXPIRY.is_optional
    assert KEY_EXPIRY.label == "Keys that expire"
