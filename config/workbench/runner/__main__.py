"""`python -m config.workbench.runner run|stop|reset|manage`: the targets of the Makefile."""

import argparse
import os
import shutil
import signal
import sys
import time
from typing import NoReturn

import psutil

from config.workbench.embedded_postgres import EmbeddedPostgresError
from config.workbench.runner.clone import FILE_NAME, environment_of_run
from config.workbench.runner.errors import RunnerError
from config.workbench.runner.ownership import Ownership, end_orphans
from config.workbench.runner.plan import RunPlan
from config.workbench.runner.screen import say, welcome
from config.workbench.runner.session import READY_SECONDS_MAX, Session

STOP_SECONDS_MAX = 40
# All that an installation keeps in its data directory. Nothing else there may be deleted.
KEPT_FILES = (
    "demo.json",
    "secret_key",
    "prepared",
    FILE_NAME,
    "runner.json",
    "runner.lock",
    "stripe.jsonl",
    "paddle.jsonl",
)
KEPT_DIRECTORIES = ("static", "media")


def run(plan: RunPlan) -> None:
    """Start everything, or show the address if it is running already."""
    ownership = Ownership(plan.data_dir)
    with ownership.try_lock() as is_locked:
        if not is_locked:
            show_running(plan, ownership)
            return
        if count := end_orphans(plan):
            say(f"Stopped {count} processes that an earlier run left behind.")
        plan.refuse_taken_port()
        Session(plan.with_fake_stripe().with_fake_paddle().with_receiver(), ownership).serve()


def show_running(plan: RunPlan, ownership: Ownership) -> None:
    """Print that it is running already, once it is ready."""
    note = ownership.read_note()
    port = note.get("port", plan.port)
    running = RunPlan.from_environment({**plan.environment, "PORT": str(port)})
    if stripe_port := note.get("stripe_port"):
        running = running.with_fake_stripe(stripe_port)
    if paddle_port := note.get("paddle_port"):
        running = running.with_fake_paddle(paddle_port)
    if receiver_port := note.get("receiver_port"):
        running = running.with_receiver(receiver_port)
    session = Session(running, ownership)
    deadline = time.monotonic() + READY_SECONDS_MAX
    while (answer := session.readiness()) is not None:
        if time.monotonic() > deadline:
            raise RunnerError(
                f"Another `make run` has this checkout and is not ready: {answer}. Try `make stop` first."
            )
        time.sleep(0.5)
    say(f"It is already running, on port {port}.")
    say(welcome(running))


def stop(plan: RunPlan) -> None:
    """Stop the runner and its processes, from whichever terminal they were started, and the embedded database."""
    if not plan.data_dir.exists():
        say("Nothing is running.")
        return
    ownership = Ownership(plan.data_dir)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while True:
        with ownership.try_lock() as is_locked:
            if is_locked:
                end_orphans(plan)
                if plan.database is not None:
                    plan.database.stop()
                ownership.remove_note()
                say("Everything is stopped.")
                return
        if time.monotonic() > deadline:
            raise RunnerError("The runner does not stop.")
        signal_runner(ownership)
        time.sleep(0.5)


def signal_runner(ownership: Ownership) -> None:
    """Send SIGTERM to the process that holds the lock."""
    pid = ownership.read_note().get("pid")
    if isinstance(pid, int) and psutil.pid_exists(pid):
        os.kill(pid, signal.SIGTERM)


def reset(plan: RunPlan) -> None:
    """Delete the database and the demo data, after a confirmation."""
    if plan.database is None:
        raise RunnerError("DATABASE_URL names a database of yours, which `make reset` does not touch.")
    if plan.environment.get("YES") != "1" and not confirmed(plan):
        say("Nothing was changed.")
        return
    stop(plan)
    plan.database.remove()
    for name in KEPT_DIRECTORIES:
        shutil.rmtree(plan.data_dir / name, ignore_errors=True)
    for name in KEPT_FILES:
        (plan.data_dir / name).unlink(missing_ok=True)
    say("Everything is deleted. `make run` starts again from nothing.")


def manage(arguments: list[str]) -> NoReturn:
    """Run a command of `manage.py` with the database and the fake Stripe of the run, also if it is not running."""
    command = RunPlan.from_environment(os.environ).manage(*arguments)
    os.execve(command[0], command, environment_of_run(os.environ))  # noqa: S606 - no shell is wanted


def confirmed(plan: RunPlan) -> bool:
    """Return whether the user confirms in the terminal. Without a terminal return False."""
    if not sys.stdin.isatty():
        say("`make reset` asks before it deletes; without a terminal, say YES=1 make reset.")
        return False
    return input(f"Delete the database and all data in {plan.data_dir}? [y/N] ").strip().lower() in {"y", "yes"}


COMMANDS = {"run": run, "stop": stop, "reset": reset}


def main() -> None:
    """Run the target of the Makefile. Print an error in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m config.workbench.runner", description=__doc__)
    parser.add_argument("command", choices=[*COMMANDS, "manage"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of `manage`: the command of manage.py")
    options = parser.parse_args()
    try:
        if options.command == "manage":
            manage(options.arguments)
        COMMANDS[options.command](RunPlan.from_environment(os.environ))
    except (RunnerError, EmbeddedPostgresError) as error:
        sys.exit(f"countinghouse: {error}")
    except PermissionError as error:
        sys.exit(
            f"countinghouse: {error.filename} belongs to another user: run as that user, or set COUNTINGHOUSE_DATA_DIR."
        )
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
