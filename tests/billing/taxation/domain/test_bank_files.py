"""Reading the bank's files, and refusing other files with a message."""

from datetime import date
from decimal import Decimal

import pytest

from billing.taxation.domain.bank_files import RatesFileError, parse_rates

FRIDAY = date(2026, 2, 27)
ONE_DAY = "Date, USD, JPY, ISK, \n27 February 2026, 1.0823, 168.5, N/A, \n"
HISTORY = "Date,USD,JPY,\n2026-02-27,1.0823,168.5,\n2026-02-26,1.1,N/A,\n"
XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject>
<Cube><Cube time='2026-02-27'><Cube currency='USD' rate='1.0823'/><Cube currency='JPY' rate='168.5'/></Cube></Cube>
</gesmes:Envelope>"""


@pytest.mark.parametrize("text", [ONE_DAY, "\ufeff" + HISTORY, XML], ids=["day", "history", "xml"])
def test_the_banks_files_are_read(text: str) -> None:
    rates = {(rate.currency, rate.day): rate.rate for rate in parse_rates(text)}
    assert rates["USD", FRIDAY] == Decimal("1.0823")
    assert rates["JPY", FRIDAY] == Decimal("168.5")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not a heading"),
        ("Name,USD\n2026-02-27,1.1", "is not a heading"),
        ("Date,USD\n", "No rate was found"),
        ("Date,USD\n2026-02-27,N/A", "No rate was found"),
        ("<html>404</html>", "No rate was found"),
        ("Date,USD\nyesterday,1.1", "is not a rate of USD"),
        ("Date,USD\n2026-02-27,a lot", "is not a rate of USD"),
        ("Date,USD\n2026-02-27,-1", "is not a rate of USD"),
        ("Date,USD\n2026-02-27,Infinity", "is not a rate of USD"),
        ("Date,dollars\n2026-02-27,1.1", "is not a rate of dollars"),
    ],
)
def test_a_file_that_is_not_the_banks_is_refused_with_a_message(text: str, sentence: str) -> None:
    with pytest.raises(RatesFileError, match=sentence):
        parse_rates(text)
