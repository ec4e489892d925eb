"""A database made by migrations that no longer exist is refused with a message, and no other database is."""

import pytest
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from config.operations.history import refuse_unknown_history, unknown_migrations

pytestmark = pytest.mark.django_db


def test_the_migrations_of_this_version_are_accepted() -> None:
    assert unknown_migrations(connection) == []
    refuse_unknown_history(connection)


@pytest.mark.parametrize(
    ("label", "name"), [("config", "0001_staff_groups"), ("billing", "0099_gone"), ("staff", "0099_gone")]
)
def test_a_missing_migration_of_ours_is_refused(label: str, name: str) -> None:
    MigrationRecorder(connection).record_applied(label, name)
    with pytest.raises(CommandError, match=rf"\({label}\.{name}\).*`make reset`"):
        refuse_unknown_history(connection)


def test_the_message_counts_the_other_missing_migrations() -> None:
    for name in ("0001_staff_groups", "0002_money_of_staff_groups", "0003_more"):
        MigrationRecorder(connection).record_applied("config", name)
    with pytest.raises(CommandError, match=r"\(config\.0001_staff_groups and 2 more\)") as refused:
        refuse_unknown_history(connection)
    assert str(refused.value).count(". ") == 0


def test_missing_migrations_of_another_project_are_ignored() -> None:
    # A dependency may squash its migrations, or be removed.
    MigrationRecorder(connection).record_applied("sessions", "0099_gone")
    MigrationRecorder(connection).record_applied("removed", "0001_initial")
    assert unknown_migrations(connection) == []
