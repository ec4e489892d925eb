"""`manage.py seal_month`: what cannot be sealed is a sentence. What it does is tested with `services.sealing`."""

import pytest
from django.core.management import CommandError, call_command

from metering.lake.gateways import iceberg

pytestmark = pytest.mark.django_db


def test_what_is_no_month_is_a_sentence() -> None:
    with pytest.raises(CommandError, match="no month such as"):
        call_command("seal_month", "may")


def test_without_the_extra_it_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iceberg, "pa", None)
    with pytest.raises(CommandError, match="make lake"):
        call_command("seal_month", "2026-03")
