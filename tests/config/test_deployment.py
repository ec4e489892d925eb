"""What is shipped: a production that says so, without the tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_image_ships_no_tests() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {"tests", ".data", ".venv", ".git"} <= set(ignored)


@pytest.mark.parametrize("name", ["Dockerfile", *sorted(path.name for path in (ROOT / "deploy").glob("*.service"))])
def test_a_deployment_names_its_profile(name: str) -> None:
    """So that nothing in its data directory is ever taken for a developer's clone."""
    assert "COUNTINGHOUSE_PROFILE=production" in (ROOT / "deploy" / name).read_text()


def test_only_what_migrates_is_told_the_owners_login() -> None:
    """SQL that is smuggled into a request cannot read what its process never knew."""
    units = {path.name: path.read_text() for path in (ROOT / "deploy").glob("*.service")}
    assert [name for name, text in units.items() if "owner-environment" in text] == ["countinghouse-prepare.service"]
    before, _, after = (ROOT / "deploy/compose.yaml").read_text().partition("  prepare:\n")
    of_prepare, _, of_others = after.partition("  web:\n")
    assert "DATABASE_OWNER_URL" in of_prepare
    assert "DATABASE_OWNER_URL" not in before + of_others
