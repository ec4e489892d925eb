"""What is shipped: a production that says so, without the tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_image_ships_no_tests() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {"tests", ".data", ".venv", ".git"} <= set(ignored)


@pytest.mark.parametrize("name", ["Dockerfile", "countinghouse-web.service", "countinghouse-worker.service"])
def test_a_deployment_names_its_profile(name: str) -> None:
    """So that nothing in its data directory is ever taken for a developer's clone."""
    assert "COUNTINGHOUSE_PROFILE=production" in (ROOT / "deploy" / name).read_text()
