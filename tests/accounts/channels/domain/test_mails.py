"""The kinds of mails of channels."""

from accounts.channels.domain.mails import CHANNEL_MAIL, CHANNEL_STOPPED
from accounts.domain.roles import Role


def test_who_manages_an_organisation_is_told_that_a_channel_was_stopped() -> None:
    assert CHANNEL_STOPPED.roles_allowed == {Role.OWNER, Role.ADMIN}
    assert CHANNEL_MAIL.roles_allowed == set(Role)
