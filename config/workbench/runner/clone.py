"""The settings of a plain `manage.py` in a clone in which `make run` ran: development profile and port, in a file.

Only a development run on the embedded database writes the file. Only `manage.py` reads it, and only if no variable
names an installation. The web server never reads it, so no file in a data directory can change a production's profile.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from config.workbench.runner.ownership import Ownership
from config.workbench.runner.plan import OWNER_VARIABLE, RunPlan

FILE_NAME = "development.json"
# Each of these variables names an installation.
VARIABLES_OF_AN_INSTALLATION = ("COUNTINGHOUSE_PROFILE", "DATABASE_URL", "PUBLIC_URL", "SECRET_KEY")


def remember(plan: RunPlan) -> None:
    """Store the port of a development run on the embedded database.

    After any other run, delete what an earlier one stored.
    """
    file = plan.data_dir / FILE_NAME
    if plan.database is None or plan.environment["COUNTINGHOUSE_PROFILE"] != "development":
        file.unlink(missing_ok=True)
        return
    unfinished = file.with_suffix(".new")
    unfinished.write_text(json.dumps({"port": plan.port}))
    unfinished.replace(file)


def variables_missing(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a plain `manage.py` adds: none if `make run` never ran in this clone."""
    if any(environment.get(name) for name in VARIABLES_OF_AN_INSTALLATION):
        return {}
    if _remembered_port(RunPlan.from_environment(environment).data_dir) is None:
        return {}
    return {name: value for name, value in environment_of_run(environment).items() if environment.get(name) != value}


def environment_of_run(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command on the run: the same port and, while it runs, the same fakes.

    The command is not one of the run's own processes, which `make stop` ends.
    """
    data_dir = RunPlan.from_environment(environment).data_dir
    port = _remembered_port(data_dir)
    plan = RunPlan.from_environment(environment if port is None else {"PORT": str(port), **environment})
    note = Ownership(data_dir).read_note()
    if stripe_port := note.get("stripe_port"):
        plan = plan.with_fake_stripe(stripe_port)
    if paddle_port := note.get("paddle_port"):
        plan = plan.with_fake_paddle(paddle_port)
    if receiver_port := note.get("receiver_port"):
        plan = plan.with_receiver(receiver_port)
    return {name: value for name, value in plan.environment.items() if name != OWNER_VARIABLE}


def _remembered_port(data_dir: Path) -> int | None:
    try:
        remembered = json.loads((data_dir / FILE_NAME).read_text())
    except (OSError, json.JSONDecodeError):
        return None
    port = remembered.get("port") if isinstance(remembered, dict) else None
    return port if isinstance(port, int) else None
