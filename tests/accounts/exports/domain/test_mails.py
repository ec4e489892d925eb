"""The notice of an export, which its owners must get."""

from accounts.domain.roles import Role
from accounts.exports.domain.mails import EXPORT_READY


def test_only_owners_are_told_of_an_export_and_no_link_stops_the_mail() -> None:
    assert EXPORT_READY.roles_allowed == {Role.OWNER}
    assert not EXPORT_READY.is_optional
