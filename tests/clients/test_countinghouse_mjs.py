"""`docs/clients/countinghouse.mjs`, by Node's own test runner."""

import subprocess
from pathlib import Path

import pytest

from tests.clients.sources import NO_NODE, NODE

TESTS = Path(__file__).with_name("countinghouse.test.mjs")


@pytest.mark.skipif(not NODE, reason=NO_NODE)
@pytest.mark.takes_long("it starts Node, and processes that are killed")
def test_the_client_for_node_keeps_what_it_promises() -> None:
    run = subprocess.run([NODE, "--test", str(TESTS)], capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    assert "# pass 10" in run.stdout
