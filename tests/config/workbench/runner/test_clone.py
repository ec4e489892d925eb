"""A plain `manage.py` uses the services of `make run`, and a production never leaves its profile by accident."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.workbench.runner.__main__ import KEPT_FILES
from config.workbench.runner.clone import (
    FILE_NAME,
    VARIABLES_OF_AN_INSTALLATION,
    environment_of_run,
    remember,
    variables_missing,
)
from config.workbench.runner.ownership import Ownership
from config.workbench.runner.plan import FAKE_STRIPE_KEY, RunPlan

ROOT = Path(__file__).resolve().parents[4]


def environment_in(place: Path, **given: str) -> dict[str, str]:
    return {"COUNTINGHOUSE_DATA_DIR": str(place), **given}


def run_in(place: Path, **given: str) -> None:
    remember(RunPlan.from_environment(environment_in(place, **given)))


def start(program: str, place: Path, **given: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES_OF_AN_INSTALLATION}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=inherited | environment_in(place, **given),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_after_make_run_a_plain_command_has_its_profile_and_port(tmp_path: Path) -> None:
    run_in(tmp_path, PORT="8123")
    added = variables_missing(environment_in(tmp_path))
    assert (added["COUNTINGHOUSE_PROFILE"], added["PORT"]) == ("development", "8123")
    assert "STRIPE_SECRET_KEY" not in added
    assert "PORT" not in variables_missing(environment_in(tmp_path, PORT="9000"))


def test_during_a_run_a_plain_command_uses_its_fake_stripe(tmp_path: Path) -> None:
    run_in(tmp_path)
    Ownership(tmp_path).write_note(pid=1, port=8000, stripe_port=12111)
    added = variables_missing(environment_in(tmp_path))
    assert (added["STRIPE_SECRET_KEY"], added["STRIPE_API_HOST"]) == (FAKE_STRIPE_KEY, "http://127.0.0.1:12111")


def test_without_a_run_the_environment_is_unchanged(tmp_path: Path) -> None:
    assert variables_missing(environment_in(tmp_path)) == {}
    (tmp_path / FILE_NAME).write_text("[]")
    assert variables_missing(environment_in(tmp_path)) == {}
    (tmp_path / FILE_NAME).write_text("{")
    assert variables_missing(environment_in(tmp_path)) == {}


@pytest.mark.parametrize("name", VARIABLES_OF_AN_INSTALLATION)
def test_with_one_variable_of_an_installation_the_environment_is_unchanged(tmp_path: Path, name: str) -> None:
    run_in(tmp_path)
    assert variables_missing(environment_in(tmp_path, **{name: "given"})) == {}


@pytest.mark.parametrize(
    "environment", [{"COUNTINGHOUSE_PROFILE": "production"}, {"DATABASE_URL": "postgres://x@db/money"}]
)
def test_another_kind_of_run_forgets_what_an_earlier_one_left(tmp_path: Path, environment: dict[str, str]) -> None:
    run_in(tmp_path)
    run_in(tmp_path, **environment)
    assert not (tmp_path / FILE_NAME).exists()


def test_the_file_of_a_run_can_name_nothing_but_a_port(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"port": 8123, "COUNTINGHOUSE_PROFILE": "test", "DEBUG": "1"}))
    added = variables_missing(environment_in(tmp_path))
    assert added["COUNTINGHOUSE_PROFILE"] == "development"
    assert "DEBUG" not in added


def test_make_manage_needs_no_run_before(tmp_path: Path) -> None:
    environment = environment_of_run(environment_in(tmp_path))
    assert (environment["COUNTINGHOUSE_PROFILE"], environment["PORT"]) == ("development", "8000")
    run_in(tmp_path, PORT="8123")
    assert environment_of_run(environment_in(tmp_path))["PORT"] == "8123"


def test_make_reset_deletes_the_file_of_a_run() -> None:
    assert FILE_NAME in KEPT_FILES


MANAGE = """
import os, sys, manage
sys.argv = ["manage.py", "version"]
manage.main()
from django.conf import settings
print(settings.PROFILE, settings.PORT)
"""


@pytest.mark.takes_long("it starts processes")
def test_manage_takes_the_profile_of_the_clone(tmp_path: Path) -> None:
    run_in(tmp_path, PORT="8123")
    program = start(MANAGE, tmp_path)
    assert program.stdout.split()[-2:] == ["development", "8123"], program.stderr


@pytest.mark.takes_long("it starts processes")
def test_manage_stays_in_production_without_a_run_or_with_a_setting_of_an_installation(tmp_path: Path) -> None:
    without_a_run = start(MANAGE, tmp_path)
    assert "SECRET_KEY is not set" in without_a_run.stderr
    assert "In a clone, `make run` once" in without_a_run.stderr
    run_in(tmp_path)
    for given in ({"COUNTINGHOUSE_PROFILE": "production"}, {"PUBLIC_URL": "https://money.example.com"}):
        program = start(MANAGE, tmp_path, **given)
        assert program.returncode != 0
        assert "SECRET_KEY is not set" in program.stderr


def test_the_web_server_never_reads_the_file_of_a_run(tmp_path: Path) -> None:
    run_in(tmp_path)
    program = start("import config.wsgi", tmp_path)
    assert program.returncode != 0
    assert "SECRET_KEY is not set" in program.stderr
