"""A world that the tests of a module share: made once, below the transaction of each test, which is taken back.

For worlds that take longer to make than what a test does in them. Not for modules with tests that commit or log in as
the owner: both end the connection's transaction.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from django.db import connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from accounts.domain.reach import WayIn, way_in
from metering.selectors.catalog import forget_catalog
from metering.selectors.limits import forget_limits
from metering.services.partitions import forget_seen_partitions

World = TypeVar("World")


def shared_world(blocker: DjangoDbBlocker, make: Callable[[], World]) -> Iterator[World]:
    """Yield what `make` creates, for a fixture of a module, and roll it back at the module's end.

    A test that changes the objects which it is given changes them for the others too: it reads its own.
    """
    below = transaction.atomic()
    below._from_testcase = True  # a block that wants to be the outermost may be in it, as in a TestCase
    with blocker.unblock(), below:
        forget_what_a_process_knows()  # the test before knew months of the ledger that were rolled back with it
        with way_in(WayIn.JOBS):
            world = make()
            connection.check_constraints()
        with blocker.block():
            yield world
        transaction.set_rollback(True)


def forget_what_a_process_knows() -> None:
    """Forget what a process remembers of the database for a second or longer, since the next test has another one."""
    forget_catalog()
    forget_limits()
    forget_seen_partitions()
