"""`fake_paddle`: a running fake for one test, empty at its beginning, and the settings that lead to it."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from config.workbench.fakepaddle.server import FakePaddle

API_KEY = "pdl_sdbx_apikey_countinghouseFakePaddle"
WEBHOOK_SECRET = "pdl_ntfset_countinghouseFakePaddle"


@pytest.fixture(scope="session")
def fake_paddle_server() -> Iterator[FakePaddle]:
    """Start one server for each worker of the run."""
    fake = FakePaddle()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def fake_paddle(
    fake_paddle_server: FakePaddle, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakePaddle]:
    """Return the fake with an empty memory, with the settings pointed at it."""
    fake_paddle_server.reset()
    settings.PADDLE_API_KEY = API_KEY
    settings.PADDLE_WEBHOOK_SECRET = WEBHOOK_SECRET
    settings.PADDLE_API_HOST = fake_paddle_server.url
    settings.PADDLE_CHECKOUT_URL = ""
    monkeypatch.setenv("no_proxy", "*")
    yield fake_paddle_server
    fake_paddle_server.reset()
