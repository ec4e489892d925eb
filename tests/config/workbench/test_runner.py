"""`make run` and its siblings, with real processes and real signals."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import stripe

from config.workbench.embedded_postgres import EmbeddedPostgres
from config.workbench.runner.__main__ import reset, stop
from config.workbench.runner.errors import RunnerError
from config.workbench.runner.ownership import Ownership, end_orphans
from config.workbench.runner.plan import FAKE_STRIPE_KEY, OWNER_VARIABLE, STRIPE_PORT_DISTANCE, RunPlan
from config.workbench.runner.screen import welcome
from config.workbench.runner.service import BACKOFF_SECONDS_MAX, SECONDS_UNTIL_STEADY, Service

ROOT = Path(__file__).resolve().parents[3]
TEST_RUN_VARIABLES = ("DATABASE_URL", "DATABASE_AS_OWNER", "COUNTINGHOUSE_PROFILE", "REDIS_URL", "DEBUG")


def eventually(condition: Callable[[], object], seconds_max: int = 20) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true within {seconds_max} s"
        time.sleep(0.05)


@pytest.fixture
def place() -> Iterator[Path]:
    """Create a data directory with a space in its name, open to the account standing in for root."""
    directory = Path(tempfile.mkdtemp(prefix="make run ")).resolve()
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def plan_for(place: Path, **environment: str) -> RunPlan:
    inherited = {name: value for name, value in os.environ.items() if name not in TEST_RUN_VARIABLES}
    return RunPlan.from_environment({**inherited, "COUNTINGHOUSE_DATA_DIR": str(place), **environment})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


# A child and its deaths


@pytest.fixture
def make_service() -> Iterator[Callable[..., Service]]:
    with contextlib.ExitStack() as stack:

        def make(*command: str) -> Service:
            service = Service("test", command, dict(os.environ), "/")
            stack.callback(service.wait_until_stopped, seconds_max=0)
            return service

        yield make


def is_started(service: Service) -> bool:
    return service.process is not None


def kill(service: Service) -> None:
    assert service.process is not None
    service.process.kill()
    service.process.wait(120)


def test_a_child_that_dies_is_started_again_after_a_longer_pause_each_time(
    make_service: Callable[..., Service],
) -> None:
    service = make_service("sleep", "600")
    seconds, delays = 0, []
    for _ in range(7):
        service.tend(seconds=seconds)
        kill(service)
        service.tend(seconds=seconds)
        service.tend(seconds=service.due_at - 1)
        assert not is_started(service)
        delays.append(service.due_at - seconds)
        seconds = service.due_at
    assert delays == [1, 2, 4, 8, 16, BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_MAX]


def test_a_child_that_ran_steadily_starts_again_at_once(make_service: Callable[..., Service]) -> None:
    service = make_service("sleep", "600")
    for seconds in (0, 1, 3):
        service.tend(seconds=seconds)
        kill(service)
        service.tend(seconds=seconds)
    service.tend(seconds=100)
    kill(service)
    service.tend(seconds=100 + SECONDS_UNTIL_STEADY)
    assert service.due_at == 100 + SECONDS_UNTIL_STEADY + 1


def test_the_runner_prints_how_a_child_died(
    make_service: Callable[..., Service], capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["sleep", "600"], ["sh", "-c", "exit 3"]):
        service = make_service(*command)
        service.tend(seconds=0)
        assert service.process is not None
        if command[0] == "sleep":
            service.process.kill()
        service.process.wait(120)
        service.tend(seconds=0)
    assert capsys.readouterr().out.splitlines() == [
        "The test process was killed by SIGKILL; it starts again in 1 s.",
        "The test process ended with status 3; it starts again in 1 s.",
    ]


def test_processes_of_a_dead_child_are_ended_too(make_service: Callable[..., Service], place: Path) -> None:
    note = place / "grandchild"
    service = make_service("sh", "-c", f"sleep 600 & echo $! > '{note}.new'; mv '{note}.new' '{note}'; wait")
    service.tend(seconds=0)
    eventually(note.exists)
    grandchild = psutil.Process(int(note.read_text()))
    kill(service)
    assert grandchild.is_running()
    service.tend(seconds=0)
    eventually(lambda: not psutil.pid_exists(grandchild.pid) or grandchild.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.takes_long("it waits for a deadline")
def test_a_child_that_ignores_the_request_to_stop_is_killed(make_service: Callable[..., Service], place: Path) -> None:
    deaf = f"trap '' TERM; touch '{place}/deaf'; while :; do sleep 1; done"
    service = make_service("sh", "-c", deaf)
    service.tend(seconds=0)
    eventually((place / "deaf").exists)
    process = service.process
    assert process is not None
    service.terminate()
    service.wait_until_stopped(seconds_max=1)
    assert process.returncode == -signal.SIGKILL


# Plans


@pytest.mark.parametrize(("name", "word"), [("PORT", "http"), ("PORT", "0"), ("PORT", "65536"), ("WEB_WORKERS", "-1")])
def test_an_invalid_number_is_refused_with_a_message(place: Path, name: str, word: str) -> None:
    with pytest.raises(RunnerError, match=f"^{name} is '{word}'; it must be a whole number from 1 to"):
        plan_for(place, **{name: word})


def test_a_taken_port_is_refused_with_another_one_in_the_message(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(RunnerError, match=f"Port {port} cannot be used .* PORT={port + 1} make run"):
            plan_for(place, PORT=str(port)).refuse_taken_port()


def test_development_is_the_default_and_can_be_overridden(place: Path) -> None:
    assert plan_for(place).environment["COUNTINGHOUSE_PROFILE"] == "development"
    assert plan_for(place, COUNTINGHOUSE_PROFILE="production").environment["COUNTINGHOUSE_PROFILE"] == "production"


def test_a_database_named_by_url_is_neither_started_nor_deleted(place: Path) -> None:
    plan = plan_for(place, DATABASE_URL="postgres://example/db", YES="1")
    assert plan.database is None
    with pytest.raises(RunnerError, match="does not touch"):
        reset(plan)


def test_a_fake_stripe_runs_beside_a_development_without_a_key(place: Path) -> None:
    plan = plan_for(place, PORT="8000", STRIPE_SECRET_KEY="").with_fake_stripe()
    assert plan.environment["STRIPE_API_HOST"] == plan.stripe_url == f"http://127.0.0.1:{plan.stripe_port}"
    webhook = plan.stripe_command[plan.stripe_command.index("--webhook-url") + 1]
    assert webhook == f"http://127.0.0.1:8000/webhooks/stripe/{plan.environment['STRIPE_WEBHOOK_UUID']}"
    assert "card 4242 4242 4242 4242" in welcome(plan)


def test_a_fake_paddle_runs_beside_a_development_without_a_key(place: Path) -> None:
    plan = plan_for(place, PORT="8000", PADDLE_API_KEY="").with_fake_stripe().with_fake_paddle()
    assert plan.environment["PADDLE_API_HOST"] == plan.paddle_url == f"http://127.0.0.1:{plan.paddle_port}"
    assert plan.paddle_command[plan.paddle_command.index("--webhook-url") + 1].endswith(":8000/webhooks/paddle")
    assert plan.environment["NO_PROXY"].split(",").count("127.0.0.1") == 1
    assert plan_for(place, PADDLE_API_KEY="pdl_sdbx_apikey_real").with_fake_paddle().paddle_port is None


@pytest.mark.parametrize(
    "environment", [{"STRIPE_SECRET_KEY": "sk_test_a_real_one"}, {"COUNTINGHOUSE_PROFILE": "production"}]
)
def test_no_fake_stripe_runs_beside_a_key_or_a_production(place: Path, environment: dict[str, str]) -> None:
    plan = plan_for(place, **{"STRIPE_SECRET_KEY": "", **environment}).with_fake_stripe()
    assert plan.stripe_port is None
    assert "STRIPE_API_HOST" not in plan.environment


def test_a_fake_stripe_whose_port_is_taken_has_another(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        # Counted down from a high port, since there is no room above.
        port = taken - STRIPE_PORT_DISTANCE if taken > STRIPE_PORT_DISTANCE else taken + STRIPE_PORT_DISTANCE
        assert plan_for(place, PORT=str(port), STRIPE_SECRET_KEY="").with_fake_stripe().stripe_port not in {taken, None}


def test_the_welcome_shows_logins_keys_and_a_curl_that_sends_an_event(place: Path) -> None:
    demo = {
        "customer_email": "ada@example.com",
        "customer_password": "a password",
        "staff_email": "staff@example.com",
        "staff_password": "another",
        "api_key": "ch_live_abc",
        "service_key": "ch_service_def",
    }
    (place / "demo.json").write_text(json.dumps(demo))
    screen = welcome(plan_for(place, PORT="8001"))
    assert all(value in screen for value in demo.values())
    assert "curl -i http://localhost:8001/api/v1/events" in screen
    assert "None" not in screen + welcome(plan_for(place).with_fake_stripe().with_fake_paddle().with_receiver())
    assert len(screen.splitlines()) < 24


# Who runs


def test_only_one_runner_holds_a_data_directory(place: Path) -> None:
    ownership = Ownership(place)
    with ownership.try_lock() as first, Ownership(place).try_lock() as second:
        assert (first, second) == (True, False)
    with ownership.try_lock() as again:
        assert again


def test_orphans_of_the_runner_are_ended_and_other_processes_are_not(place: Path) -> None:
    plan = plan_for(place)
    orphan = subprocess.Popen(["sleep", "600"], env={OWNER_VARIABLE: str(place), "PATH": os.environ["PATH"]})
    stranger = subprocess.Popen(["sleep", "600"], env={OWNER_VARIABLE: "/elsewhere", "PATH": os.environ["PATH"]})
    try:
        # Until it runs `sleep`, a child still has our own environment.
        eventually(lambda: psutil.Process(orphan.pid).environ().get(OWNER_VARIABLE))
        assert end_orphans(plan) == 1
        assert not psutil.pid_exists(orphan.pid)
        assert stranger.poll() is None
    finally:
        for process in (orphan, stranger):
            process.kill()
            process.wait(120)


def test_reset_needs_a_confirmation_and_does_nothing_without_a_terminal(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "demo.json").write_text("{}")
    with open(os.devnull) as nothing:  # noqa: PTH123 - the null device
        monkeypatch.setattr(sys, "stdin", nothing)
        reset(plan_for(place))
    assert (place / "demo.json").exists()
    assert "YES=1 make reset" in capsys.readouterr().out


@pytest.mark.takes_long("it starts processes")
def test_reset_deletes_only_the_runners_own_files(place: Path) -> None:
    EmbeddedPostgres(data_dir=place / "postgres", is_durable=False).ensure_running()
    (place / "demo.json").write_text("{}")
    (place / "letter.txt").write_text("not ours")
    reset(plan_for(place, YES="1"))
    assert [path.name for path in place.iterdir()] == ["letter.txt"]


def test_stopping_without_a_run_is_no_error(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stop(plan_for(place / "never made"))
    assert capsys.readouterr().out == "Nothing is running.\n"


# The whole


class Run:
    """One `make run`, in a process group of its own as in a terminal."""

    def __init__(self, place: Path, port: int, name: str) -> None:
        self.place, self.port, self.output = place, port, place / f"{name}.out"
        inherited = {name: value for name, value in os.environ.items() if name not in TEST_RUN_VARIABLES}
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.workbench.runner", "run"],
                cwd=ROOT,
                env={**inherited, "COUNTINGHOUSE_DATA_DIR": str(place), "PORT": str(port), "DEMO": "0"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def says(self, text: str) -> bool:
        return text in self.output.read_text()

    def wait_for_welcome(self) -> None:
        eventually(lambda: self.says("Countinghouse is running") or self.process.poll() is not None, 90)
        assert self.says("Countinghouse is running"), self.output.read_text()

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def child(self, word: str) -> psutil.Process:
        """Return the child of the runner whose command line has the word."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if any(word in argument for argument in child.cmdline()))


def remember_a_customer(run: Run) -> None:
    stripe_beside(run).v1.customers.create({"email": "ada@acme.example"})


def customers_of(run: Run) -> list[str | None]:
    return [customer.email for customer in stripe_beside(run).v1.customers.list().data]


def stripe_beside(run: Run) -> stripe.StripeClient:
    """Configure Stripe's library for the fake beside a run."""
    port = json.loads((run.place / "runner.json").read_text())["stripe_port"]
    return stripe.StripeClient(FAKE_STRIPE_KEY, base_addresses={"api": f"http://127.0.0.1:{port}"})


def processes_of(place: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(OWNER_VARIABLE) == str(place) or str(place / "postgres") in process.cmdline():
                found.append(process)
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.soak  # starts everything three times, and kills all of it: half a minute, which `.ci/run` spends on it
def test_a_run_survives_sigkill_and_ends_with_ctrl_c(place: Path) -> None:
    port = free_port()
    first = Run(place, port, "first")
    second = None
    try:
        first.wait_for_welcome()

        # A second start, in the meantime, only prints the address of the first one.
        another = Run(place, free_port(), "another")
        assert another.process.wait(120) == 0, another.output.read_text()
        assert another.says(f"already running, on port {port}")

        # Kill the web server, the worker, the fake Stripe and the database at once.
        remember_a_customer(first)
        doomed = [first.child("granian"), first.child("qcluster"), first.child("fakestripe")]
        doomed.append(psutil.Process(int((place / "postgres" / "postmaster.pid").read_text().split()[0])))
        for process in doomed:
            process.kill()
        eventually(lambda: first.says("web process was killed by SIGKILL"))
        eventually(lambda: first.says("PostgreSQL has ended; it starts again now."))
        eventually(first.is_ready, 90)

        # Kill the runner itself: its children live on, and the next run replaces them.
        first.process.kill()
        first.process.wait(120)
        assert processes_of(place)
        second = Run(place, port, "second")
        second.wait_for_welcome()
        assert second.says("processes that an earlier run left behind")
        assert customers_of(second) == ["ada@acme.example"]

        os.killpg(second.process.pid, signal.SIGINT)
        assert second.process.wait(120) == 0, second.output.read_text()
        eventually(lambda: not processes_of(place))
    finally:
        for run in (first, second):
            if run is not None:
                run.process.kill()
                run.process.wait(120)
        stop(plan_for(place))
