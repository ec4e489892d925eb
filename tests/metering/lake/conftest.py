"""A lake of a test's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection


@pytest.fixture
def lake_place(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Create a lake in a folder of its own. Its catalogue has connections of its own, so tests commit."""
    settings.LAKE_URL = f"file://{tmp_path}/lake"
    yield tmp_path / "lake"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM iceberg_tables; DELETE FROM iceberg_namespace_properties")
