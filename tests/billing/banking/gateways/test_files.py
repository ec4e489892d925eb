"""Statements of each format are read alike, and hostile or damaged files are refused with a sentence."""

from datetime import date

import pytest

from billing.banking.errors import StatementError
from billing.banking.gateways.files import BYTES_MAX, read_statement
from tests.billing.banking.files import Line, camt, csv_file, mt940

LINES = [
    Line("49.00", "Rechnung Maerz", "Acme GmbH", "RF29INV2026000007", bank_reference="B1"),
    Line("1234.50", "INV-2026-000008", "Globex", bank_reference="B2"),
    Line("-12.30", "Kontofuehrung", bank_reference="B3"),
]


@pytest.mark.parametrize(
    ("content", "found"), [(camt(LINES), "camt.053"), (mt940(LINES), "MT940"), (csv_file(LINES), "CSV")]
)
def test_each_format_is_read_to_the_same_entries(content: bytes, found: str) -> None:
    named, entries = read_statement(content)
    assert named == found
    assert [(entry.amount_minor, entry.currency, entry.booked_on) for entry in entries] == [
        (4900, "EUR", date(2026, 3, 10)),
        (123450, "EUR", date(2026, 3, 10)),
        (-1230, "EUR", date(2026, 3, 10)),
    ]
    assert [entry.payer for entry in entries] == ["Acme GmbH", "Globex", ""]
    assert "RF29INV2026000007" in entries[0].text.replace(" ", "")
    assert "INV-2026-000008" in entries[1].text


def test_older_and_newer_versions_batches_and_pending_entries_of_camt_are_read() -> None:
    for version in ("02", "13"):
        assert len(read_statement(camt(LINES, version=version))[1]) == 3
    pending = camt(LINES).replace(b"<Cd>BOOK</Cd>", b"<Cd>PDNG</Cd>", 1)
    assert len(read_statement(pending)[1]) == 2
    batch = b"""<Document><BkToCstmrStmt><Stmt><Acct><Id><IBAN>X</IBAN></Id></Acct><Ntry><Amt Ccy="EUR">30</Amt>
    <CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><DtTm>2026-03-10T08:00:00</DtTm></BookgDt><NtryRef>7</NtryRef>
    <NtryDtls><TxDtls><Amt Ccy="EUR">10</Amt></TxDtls><TxDtls><AmtDtls><TxAmt><Amt Ccy="EUR">20</Amt></TxAmt></AmtDtls>
    </TxDtls></NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>"""
    assert [entry.amount_minor for entry in read_statement(batch)[1]] == [1000, 2000]
    with pytest.raises(StatementError, match="how much each payment"):
        read_statement(batch.replace(b'<Amt Ccy="EUR">10</Amt>', b""))


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Document><Stmt>&b;</Stmt></Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]><Document><Stmt>&x;</Stmt></Document>"""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "document type or entities"),
        (OUTSIDE, "document type or entities"),
        (b"<Document><Stmt>", "damaged"),
        (b"<html></html>", "no Stmt"),
        (b"<a>" * 50 + b"</a>" * 50, "nested too deeply"),
        (camt(LINES).replace(b">49.00<", b">1e400<"), "no amount"),
        (camt(LINES).replace(b">49.00<", b">49.001<"), "no amount"),
        (camt(LINES).replace(b'Ccy="EUR">49', b'Ccy="???">49'), "no amount"),
        (camt(LINES).replace(b"2026-03-10", b"soon", 1), "no day"),
        (camt([]), "no entries"),
        (b"", "empty"),
        (b"\x00\x01\x02", "null characters"),
        (b"name;colour\nAcme;red\n", "names of its columns"),
        (b"date;amount\nsoon;5\n", "Line 2"),
        (b"date;amount\n2026-03-10;five\n", "Line 2"),
        (b"date;amount;currency\n2026-03-10;5;euro\n", "Line 2"),
        (b":20:X\r\n:25:1\r\n:60F:C260309EUR1,00\r\n:61:garbage\r\n", ""),
        (b"x" * (BYTES_MAX + 1), "larger than 5 MiB"),
    ],
)
def test_hostile_and_damaged_files_are_refused(content: bytes, said: str) -> None:
    with pytest.raises(StatementError) as refused:
        read_statement(content)
    assert said in refused.value.detail


@pytest.mark.parametrize(
    ("written", "minor"),
    [
        ("1.234,56", 123456),
        ("1,234.56", 123456),
        ("1234.5", 123450),
        ("-3,00", -300),
        ("1.234", 123400),
        ("+7", 700),
        ("€ 8,90", 890),
    ],
)
def test_amounts_of_a_csv_are_read_in_either_notation(written: str, minor: int) -> None:
    [entry] = read_statement(f'date;amount\n10/03/2026;"{written}"\n'.encode())[1]
    assert entry.amount_minor == minor


def test_a_file_in_the_encoding_of_old_programs_is_read() -> None:
    [entry] = read_statement("date;amount;name\n2026-03-10;5;Müller\n".encode("cp1252"))[1]
    assert entry.payer == "Müller"
