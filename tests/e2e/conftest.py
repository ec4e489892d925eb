"""One installation and one Chromium for the tour. Pictures go to `var/e2e/`, which git ignores."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.installation import CHECKOUT, Installation, free_port
from tests.e2e.mailbox import Mailbox
from tests.e2e.secrecy import secrets_left
from tests.e2e.visitor import PATIENCE_MILLISECONDS, Visitor

CHROMIUM = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def pictures() -> Path:
    directory = CHECKOUT / "var" / "e2e"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox(free_port())
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture(scope="session")
def installation(mailbox: Mailbox, pictures: Path) -> Iterator[Installation]:
    data_dir = Path(tempfile.mkdtemp(prefix="countinghouse-e2e-"))
    data_dir.chmod(0o755)  # for the account that stands in for root
    installation = Installation(data_dir=data_dir, log_file=pictures / "run.log", mail_port=mailbox.port)
    try:
        installation.start()
        yield installation
        assert secrets_left(installation, mailbox) == []
        assert installation.stop() == 0, "Ctrl-C ends everything in order"
    finally:
        installation.remove()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(installation: Installation, browser: Browser, pictures: Path) -> Iterator[Callable[[], Visitor]]:
    """Open another browser. At the end of the test each is closed, and fails if something was wrong in it."""
    visitors: list[Visitor] = []

    def visit() -> Visitor:
        providers = (installation.stripe_url, installation.paddle_url)
        visitors.append(Visitor(browser, url=installation.url, pictures=pictures, provider_urls=providers))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        visitor.context.close()
    troubles = [trouble for visitor in visitors for trouble in visitor.troubles]
    assert not troubles, "\n" + "\n".join(dict.fromkeys(troubles))
