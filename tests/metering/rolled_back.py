"""Fixtures of tests that run many examples on one database: each is undone, and nothing of it is remembered."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from django.db import transaction

from metering.selectors.catalog import forget_catalog
from metering.services.partitions import forget_seen_partitions


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Forget what the process remembers of another test's database."""
    forget_catalog()
    forget_seen_partitions()
    yield
    forget_catalog()
    forget_seen_partitions()


@pytest.fixture
def rolled_back(db: None) -> Callable[[], AbstractContextManager[None]]:
    """Open a transaction for one example of a property, and undo it at its end."""

    @contextmanager
    def example() -> Iterator[None]:
        with transaction.atomic():
            try:
                yield
            finally:
                transaction.set_rollback(True)
                forget_catalog()
                forget_seen_partitions()

    return example
