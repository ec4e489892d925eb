"""After the whole tour: no secret in the database, in the log or in a mail."""

from collections.abc import Iterable

import psycopg

from accounts.domain.masking import find_secrets
from config.workbench.embedded_postgres import EmbeddedPostgres
from tests.e2e.installation import Installation
from tests.e2e.mailbox import Mailbox
from tests.security.dump import secrets_in_rows

SAID_BY_THE_RUNNER = "  "  # the welcome, which shows the demo's logins and keys, is indented; a line of the log is not
ITS_ADDRESSEES_ALONE = "invitation"  # what a mail is for


def connect(installation: Installation) -> psycopg.Connection:
    """Open a connection to the tour's own database."""
    return EmbeddedPostgres(data_dir=installation.data_dir / "postgres").connect("countinghouse")


def secrets_left(installation: Installation, mailbox: Mailbox) -> list[str]:
    """List where a secret was left, and of which kind."""
    with connect(installation) as connection:
        in_rows = secrets_in_rows(connection)
    return [*in_rows, *secrets_in_log(installation.log_file.read_text().splitlines()), *secrets_in_mails(mailbox.texts)]


def secrets_in_log(lines: Iterable[str]) -> list[str]:
    """List the lines with a secret, by their numbers."""
    numbered = [(n, line) for n, line in enumerate(lines, 1) if not line.startswith(SAID_BY_THE_RUNNER)]
    return [f"log, line {n}: {secret.kind}" for n, line in numbered for secret in find_secrets(line)]


def secrets_in_mails(texts: Iterable[str]) -> list[str]:
    """List the mails with a secret that is not their purpose."""
    found = [(n, secret.kind) for n, text in enumerate(texts, 1) for secret in find_secrets(text)]
    return [f"mail {n}: {kind}" for n, kind in found if kind != ITS_ADDRESSEES_ALONE]
