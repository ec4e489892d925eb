"""The settings of SQL over the ledger, and of the lake."""

from pathlib import Path
from typing import Final

from config.environment import Environment

# What SQL can be asked about, by each app that has such a table.
LAKE_TABLES: Final = [
    "metering.lake.selectors.ledger_tables.EVENTS",
    "metering.lake.selectors.ledger_tables.USAGE_HOUR",
    "metering.lake.selectors.ledger_tables.USAGE_DAY",
    "billing.selectors.lake.INVOICE_LINES",
]


def lake_settings(env: Environment, data_dir: Path) -> tuple[list[str], str, str, bool]:
    """Return the tables of SQL and of the lake, its place, the endpoint of its store, and whether it keeps events."""
    url = env.text("LAKE_URL") or f"file://{(data_dir / 'lake').resolve()}"
    return LAKE_TABLES, url, env.text("LAKE_S3_ENDPOINT"), env.flag("LAKE_KEEPS_EVENTS", default=False)
