"""`manage.py import_exchange_rates` reads the bank's file, or prints why it cannot."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from billing.models import ExchangeRate
from billing.taxation.management.commands import import_exchange_rates

pytestmark = pytest.mark.django_db


def imported(path: Path) -> str:
    out = StringIO()
    call_command("import_exchange_rates", str(path), stdout=out)
    return out.getvalue()


def test_a_file_of_exchange_rates_is_imported_once(tmp_path: Path) -> None:
    path = tmp_path / "eurofxref-hist.csv"
    path.write_text("Date,USD,JPY,\n2026-02-27,1.0823,168.5,\n")
    assert imported(path) == "2 rates added, 0 known.\n"
    assert imported(path) == "0 rates added, 2 known.\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html>", "No rate was found"),
        (b"\xff\xfe", "cannot be read"),
        (b"Date,USD\n2099-02-27,1.1", "in the future"),
    ],
)
def test_a_file_that_holds_no_exchange_rates_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "rates"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=sentence):
        imported(path)
    assert not ExchangeRate.objects.exists()


def test_a_missing_and_a_giant_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        imported(tmp_path / "none")
    monkeypatch.setattr(import_exchange_rates, "BYTES_MAX", 3)
    path = tmp_path / "rates"
    path.write_text("Date,USD")
    with pytest.raises(CommandError, match="larger than"):
        imported(path)
