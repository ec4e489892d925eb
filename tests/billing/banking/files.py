"""Statements as banks send them, over the same entries in each format."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Line:
    """An entry of a statement; `amount` is a decimal string, below 0 for money that went out."""

    amount: str
    text: str = ""
    payer: str = ""
    reference: str = ""
    day: date = date(2026, 3, 10)
    bank_reference: str = ""


def camt(lines: Sequence[Line], *, version: str = "08", head: str = "") -> bytes:
    entries = "".join(
        f"""<Ntry><Amt Ccy="EUR">{line.amount.lstrip("-")}</Amt>
        <CdtDbtInd>{"DBIT" if line.amount.startswith("-") else "CRDT"}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
        <BookgDt><Dt>{line.day}</Dt></BookgDt><AcctSvcrRef>{line.bank_reference}</AcctSvcrRef>
        <NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>
        <RltdPties><Dbtr><Pty><Nm>{line.payer}</Nm></Pty></Dbtr>
        <DbtrAcct><Id><IBAN>FR7630006000011234567890189</IBAN></Id></DbtrAcct></RltdPties>
        <RmtInf><Ustrd>{line.text}</Ustrd><Strd><CdtrRefInf><Ref>{line.reference}</Ref></CdtrRefInf></Strd></RmtInf>
        </TxDtls></NtryDtls></Ntry>"""
        for line in lines
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>{head}
    <Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt><Stmt>
    <Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>{entries}</Stmt></BkToCstmrStmt></Document>""".encode()


def mt940(lines: Sequence[Line]) -> bytes:
    def entry(line: Line) -> str:
        sign = "D" if line.amount.startswith("-") else "C"
        amount = line.amount.lstrip("-").replace(".", ",")
        purpose = " ".join(filter(None, [line.reference, line.text]))
        return (
            f":61:{line.day:%y%m%d%m%d}{sign}{amount}NTRFNONREF//{line.bank_reference}\r\n"
            f":86:166?00GUTSCHRIFT?20{purpose[:27]}?21{purpose[27:54]}?32{line.payer[:27]}\r\n"
        )

    body = "".join(entry(line) for line in lines)
    return (
        f":20:STARTUMS\r\n:25:37040044/0532013000\r\n:28C:1/1\r\n:60F:C260309EUR100,00\r\n{body}"
        ":62F:C260310EUR100,00\r\n-\r\n"
    ).encode()


def csv_file(lines: Sequence[Line]) -> bytes:
    rows = "".join(
        f'{line.day:%d.%m.%Y};"{line.payer}";"{line.reference} {line.text}";{line.amount.replace(".", ",")};EUR\n'
        for line in lines
    )
    return f"Konto;DE89\n\nBuchungstag;Auftraggeber/Empfänger;Verwendungszweck;Betrag;Währung\n{rows}".encode()
