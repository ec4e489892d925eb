"""A scripted server for a client's own test, and the product's for those beside it."""

from collections.abc import Iterator, Mapping

import pytest

from tests.clients.mortal_server import MortalServer
from tests.clients.scripted_server import ScriptedServer, scripted_server


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture
def server(process_environment: Mapping[str, str]) -> Iterator[MortalServer]:
    server = MortalServer(process_environment)
    server.start()
    yield server
    server.kill()
