"""The demo of the lake: from events to an answer in SQL that is that of `usage`."""

import pytest
from django.core.management import CommandError, call_command

from config.workbench.management.commands import demo_lake
from metering.lake.gateways import iceberg
from metering.models import Event
from tests.metering.lake.conftest import lake_place

__all__ = ["lake_place"]
in_lake = pytest.mark.django_db(transaction=True)


@in_lake
@pytest.mark.usefixtures("lake_place")
@pytest.mark.takes_long("it seals six months")
def test_it_answers_over_six_months_and_compares(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("demo_lake", "--events", "360")
    printed = capsys.readouterr().out
    assert "360 events of 3 tenants and 6 months stored" in printed
    assert printed.count("equal to the ledger's") == 6
    assert printed.count(" = ") == 18
    assert "All 18 figures of the lake are those of usage, to the digit." in printed
    monkeypatch.setattr(demo_lake, "usage_of", lambda *_: iter([["2026-01", "harbour", 1, 1]]))
    with pytest.raises(CommandError, match="not those of usage"):
        call_command("demo_lake", "--events", "360")
    assert Event.objects.count() == 360


@pytest.mark.django_db
def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iceberg, "pa", None)
    with pytest.raises(CommandError, match="make lake"):
        call_command("demo_lake", "--events", "18")
