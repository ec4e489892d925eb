"""All that a dump of the database would give away, as text: columns of bytes and packed values, too."""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator

import psycopg
from psycopg import sql

from accounts.domain.masking import find_secrets

# Partitions by the table that they are of: a month that another test needed may not be read by itself.
TABLES = """
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY 1
"""
NAMED_MAX = 10


def every_row(connection: psycopg.Connection) -> Iterator[tuple[str, str]]:
    """Yield each row of each table as its table and its text."""
    for (table,) in connection.execute(TABLES).fetchall():
        statement = sql.SQL("SELECT row_to_json(r)::text FROM {} r").format(sql.Identifier(table))
        for (text,) in connection.execute(statement):
            yield table, text + "".join(unpacked(text))


def unpacked(text: str) -> Iterator[str]:
    """Yield the contents of a row's columns of bytes, which JSON shows in hexadecimal, and of packed texts."""
    for digits in re.findall(r"\\\\x((?:[0-9a-f]{2})+)", text):
        yield bytes.fromhex(digits).decode("latin-1")
    for word in re.findall(r"[\w-]{24,}={0,2}", text, re.ASCII):
        try:
            packed = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
        except (binascii.Error, ValueError):
            continue
        yield packed.decode("latin-1")
        try:
            yield zlib.decompress(packed).decode("latin-1")
        except zlib.error:
            continue


def secrets_in_rows(connection: psycopg.Connection) -> list[str]:
    """List what has the form of a secret in any row, without the secret itself."""
    found = {f"{table}: {secret.kind}" for table, text in every_row(connection) for secret in find_secrets(text)}
    return sorted(found)[:NAMED_MAX]
