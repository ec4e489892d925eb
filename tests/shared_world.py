"""A world that the tests of a module share: made once, below the transaction of each test, which is taken back.

For worlds that take longer to make than what a test does in them. Not for modules with tests that commit or log in as
the owner: both end the connection's transaction.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from django.db import connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from accounts.domain.reach import WayIn, way_in

World = TypeVar("World")


def shared_world(blocker: DjangoDbBlocker, make: Callable[[], World]) -> Iterator[World]:
    """Yield what `make` makes, for a fixture of a module, and take it back at the module's end.

    A test that changes the objects which it is given changes them for the others too: it reads its own.
    """
    below = transaction.atomic()
    below._from_testcase = True  # a block that wants to be the outermost may be in it, as in a TestCase
    with blocker.unblock(), way_in(WayIn.JOBS):
        below.__enter__()
        world = make()
        connection.check_constraints()
    yield world
    with blocker.unblock():
        transaction.set_rollback(True)
        below.__exit__(None, None, None)
