"""One run, from the first line in the terminal to the last process stopped."""

import hashlib
import http.client
import os
import signal
import socket
import subprocess
import time
from types import FrameType
from typing import NoReturn

from config.workbench.embedded_postgres import EmbeddedPostgresError
from config.workbench.runner.clone import remember
from config.workbench.runner.errors import RunnerError
from config.workbench.runner.ownership import Ownership
from config.workbench.runner.plan import CHECKOUT, DATABASE_NAME, HOST, RunPlan
from config.workbench.runner.screen import say, welcome
from config.workbench.runner.service import Service

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_BETWEEN_LOOKS = 0.25
READY_SECONDS_MAX = 90
FAKES_SECONDS_MAX = 30
STOP_SECONDS_MAX = 15
DEATHS_BEFORE_READY_MAX = 3
APPS = ("accounts", "metering", "billing", "config")


class StopRequested(BaseException):
    """Raised anywhere in the code when a signal requests a stop."""


class Session:
    """The database, the web server, the worker and the webhook sender, in the order in which they need one another."""

    def __init__(self, plan: RunPlan, ownership: Ownership) -> None:
        """Prepare the run; `serve` starts it."""
        self.plan = plan
        self.ownership = ownership
        # A database that a killed runner started is still the runner's to stop.
        self.is_database_ours = bool(ownership.read_note().get("is_database_ours"))
        self.prepared_file = plan.data_dir / "prepared"
        fakes = (
            ("fake Stripe", plan.stripe_port, plan.stripe_command),
            ("fake Paddle", plan.paddle_port, plan.paddle_command),
        )
        self.fakes = [
            (port, Service(name, command, plan.environment, str(CHECKOUT))) for name, port, command in fakes if port
        ]
        self.services = [
            *(service for _, service in self.fakes),
            Service("web", plan.web_command, plan.environment, str(CHECKOUT)),
            Service("worker", plan.manage("qcluster", "--skip-checks"), plan.environment, str(CHECKOUT)),
            Service("webhook sender", plan.manage("send_webhooks", "--skip-checks"), plan.environment, str(CHECKOUT)),
        ]
        if plan.receiver_port:
            receiver = Service("webhook receiver", plan.receiver_command, plan.environment, str(CHECKOUT))
            self.services.append(receiver)

    def serve(self) -> None:
        """Start everything, print the welcome, and keep it running until a signal comes."""
        for number in STOP_SIGNALS:
            signal.signal(number, _request_stop)
        try:
            remember(self.plan)
            self._start_database()
            self._start_fakes()
            self._prepare()
            self._wait_until_ready()
            say(welcome(self.plan))
            while True:
                self._look_after_everything()
        except StopRequested:
            say("\nStopping ...")
        finally:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self._stop()

    def _start_database(self) -> None:
        database = self.plan.database
        if database is not None and not database.is_running():
            say("Starting PostgreSQL ...")
            self.is_database_ours = True
        self.ownership.write_note(
            pid=os.getpid(),
            port=self.plan.port,
            stripe_port=self.plan.stripe_port or 0,
            paddle_port=self.plan.paddle_port or 0,
            receiver_port=self.plan.receiver_port or 0,
            is_database_ours=self.is_database_ours,
        )
        if database is not None:
            database.ensure_running()
            database.ensure_database(DATABASE_NAME)

    def _start_fakes(self) -> None:
        """Start the fakes of payment providers before anything that may call them."""
        deadline = time.monotonic() + FAKES_SECONDS_MAX
        for port, service in self.fakes:
            while not _answers(port):
                service.tend(seconds=int(time.monotonic()))
                if time.monotonic() > deadline:
                    raise RunnerError(f"The {service.name} does not start: the reason is above.")
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def _prepare(self) -> None:
        """Update the schema.

        The services start meanwhile if an earlier run has prepared the same migrations.
        """
        say("Updating the schema and the demo data ...")
        arguments = self.plan.manage("prepare_demo" if self.plan.with_demo else "prepare")
        migrations = digest_of_migrations()
        was_prepared_before = self._prepared_with() == migrations
        with subprocess.Popen(
            arguments, cwd=CHECKOUT, env=self.plan.environment, stdin=subprocess.DEVNULL, start_new_session=True
        ) as preparation:
            try:
                while preparation.poll() is None:
                    if was_prepared_before:
                        self._look_after_everything()
                    else:
                        time.sleep(SECONDS_BETWEEN_LOOKS)
            finally:
                preparation.kill()
        if preparation.returncode:
            raise RunnerError("The database could not be prepared: the reason is above.")
        self.prepared_file.write_text(migrations)
        for service in self.services:
            service.deaths = 0

    def _prepared_with(self) -> str:
        return self.prepared_file.read_text() if self.prepared_file.exists() else ""

    def _wait_until_ready(self) -> None:
        say("Starting the web server and the worker ...")
        deadline = time.monotonic() + READY_SECONDS_MAX
        while (answer := self.readiness()) is not None:
            if time.monotonic() > deadline:
                raise RunnerError(f"Not ready after {READY_SECONDS_MAX} seconds: {answer}")
            self._look_after_everything()
            for service in self.services:
                if service.deaths >= DEATHS_BEFORE_READY_MAX:
                    raise RunnerError(f"The {service.name} process does not start: the reason is above.")

    def readiness(self) -> str | None:
        """Return None if /readyz responds with 200, else its message."""
        connection = http.client.HTTPConnection(HOST, self.plan.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return f"the web server is unavailable ({error})"
        finally:
            connection.close()
        return None if response.status == http.HTTPStatus.OK else f"/readyz responds with {response.status}: {body}"

    def _look_after_everything(self) -> None:
        self._look_after_database()
        for service in self.services:
            service.tend(seconds=int(time.monotonic()))
        time.sleep(SECONDS_BETWEEN_LOOKS)

    def _look_after_database(self) -> None:
        database = self.plan.database
        if database is None or database.is_running():
            return
        say("PostgreSQL has ended; it starts again now.")
        try:
            database.ensure_running()
        except EmbeddedPostgresError as error:
            say(f"{error}")

    def _stop(self) -> None:
        for service in self.services:
            service.terminate()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for service in self.services:
            service.wait_until_stopped(seconds_max=max(0, int(deadline - time.monotonic())))
        if self.plan.database is not None and self.is_database_ours:
            self.plan.database.stop()
        self.ownership.remove_note()
        say("Stopped.")


def digest_of_migrations() -> str:
    """Return a digest that changes when any migration does."""
    digest = hashlib.sha256()
    for path in sorted(path for app in APPS for path in (CHECKOUT / app).rglob("*migrations/*.py")):
        digest.update(f"{path.relative_to(CHECKOUT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _answers(port: int | None) -> bool:
    try:
        socket.create_connection((HOST, port or 0), timeout=1).close()
    except OSError:
        return False
    return True


def _request_stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise StopRequested
