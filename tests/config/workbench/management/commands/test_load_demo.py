"""The load command stores as many events as it says, spread over its tenants."""

import pytest
from django.core.management import CommandError, call_command

from metering.models import Event

pytestmark = pytest.mark.django_db


def test_the_events_are_stored_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        call_command("load_demo", "--count", "1200", "--tenants", "2")
    assert "1,200 events of 2 tenants" in capsys.readouterr().out
    assert Event.objects.filter(event_id__startswith="load-").count() == 2400
    assert Event.objects.values("tenant_id").distinct().count() == 2


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(CommandError, match="--tenants"):
        call_command("load_demo", "--count", "1", "--tenants", "0")
