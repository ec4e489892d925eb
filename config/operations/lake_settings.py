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


def lake_settings(env: Environment, data_dir: Path) -> tuple[list[str], str, str]:
    """Return the tables of SQL and of the lake, the place of the lake, and the endpoint of a store that speaks S3."""
    url = env.text("LAKE_URL") or f"file://{(data_dir / 'lake').resolve()}"
    return LAKE_TABLES, url, env.text("LAKE_S3_ENDPOINT")
