"""Who is told that an endpoint was disabled."""

from accounts.domain.roles import Role
from accounts.webhooks.domain.mails import ENDPOINT_DISABLED


def test_everyone_who_may_repair_an_endpoint_is_told_and_nobody_else() -> None:
    assert ENDPOINT_DISABLED.roles_by_default == ENDPOINT_DISABLED.roles_allowed
    assert Role.VIEWER not in ENDPOINT_DISABLED.roles_allowed
