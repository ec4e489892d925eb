"""Reading a statement whatever its format: by what the bytes begin with. Every error is a sentence for staff."""

from billing.banking.domain.entries import StatedEntry, StatementFormat
from billing.banking.errors import StatementError
from billing.banking.gateways.camt import read_camt
from billing.banking.gateways.csv_files import read_csv
from billing.banking.gateways.mt940_files import read_mt940

BYTES_MAX = 5 * 1024 * 1024
ENTRIES_MAX = 20_000


def read_statement(content: bytes) -> tuple[StatementFormat, list[StatedEntry]]:
    """Return the format and the entries of a file. Raises `StatementError`."""
    if len(content) > BYTES_MAX:
        raise StatementError("The file is larger than 5 MiB. Export a shorter span of days.")
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:200]
    if not start:
        raise StatementError("The file is empty.")
    if start.startswith(b"<"):
        found = StatementFormat.CAMT_053, read_camt(content)
    elif start.startswith((b":20:", b"{1:", b":940:")) or b":60F:" in content[:2000]:
        found = StatementFormat.MT940, read_mt940(decoded(content))
    else:
        found = StatementFormat.CSV, read_csv(decoded(content))
    if not found[1]:
        raise StatementError("The file has no entries.")
    if len(found[1]) > ENTRIES_MAX:
        raise StatementError(f"The file has more than {ENTRIES_MAX} entries. Export a shorter span of days.")
    return found


def decoded(content: bytes) -> str:
    """Return the text of a file: UTF-8, or what German and French banks use otherwise."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if "\x00" in text:
        raise StatementError("The file is no text: it has null characters.")
    return text
