"""The subject of the measurements: a durable PostgreSQL, the application under granian, and a tenant with limits."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from config.workbench.embedded_postgres import EmbeddedPostgres

DATABASE = "countinghouse"
OURS = "config.serving"
PATIENCE_SECONDS = 120
POLL_SECONDS = 0.02
CHECKOUT = Path(__file__).resolve().parents[2]


class Server(NamedTuple):
    """A web server that runs: its port, and the id of its first process."""

    port: int
    pid: int


@contextmanager
def throw_away_postgres() -> Iterator[EmbeddedPostgres]:
    """Start a durable cluster, and remove it at the end."""
    directory = Path(tempfile.mkdtemp(prefix="countinghouse-bench-"))
    directory.chmod(0o755)  # for the account that stands in for root
    cluster = EmbeddedPostgres(data_dir=directory / "postgres", is_durable=True)
    try:
        cluster.ensure_running()
        cluster.ensure_database(DATABASE)
        yield cluster
    finally:
        cluster.remove()
        shutil.rmtree(directory)


def postmaster_of(cluster: EmbeddedPostgres) -> int:
    """Return the id of the cluster's first process, while it runs."""
    return int((cluster.data_dir / "postmaster.pid").read_text().partition("\n")[0])


@contextmanager
def throw_away_redis() -> Iterator[str]:
    """Yield the URL of a Redis of its own, or of the one in REDIS_URL. It is empty if there is none."""
    program = shutil.which("redis-server")
    if os.environ.get("REDIS_URL") or not program:
        yield os.environ.get("REDIS_URL", "")
        return
    port = free_port()
    redis = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        await_listener(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        redis.kill()
        redis.wait(60)


def production(cluster: EmbeddedPostgres, **more: str) -> dict[str, str]:
    """Return the environment of a server in production, except for TLS."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"DEBUG", "REDIS_URL"}}
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "COUNTINGHOUSE_PROFILE": "production",
        "COUNTINGHOUSE_DATA_DIR": str(cluster.data_dir.parent),
        "DATABASE_URL": cluster.database_url(DATABASE),
        "SECRET_KEY": token_hex(40),
        "PUBLIC_URL": "http://localhost",
        "ALLOW_HTTP": "1",
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",  # no static files are collected for this
        **more,
    }


@contextmanager
def server(application: str, environment: Mapping[str, str], *, workers: int) -> Iterator[Server]:
    """Start the web server as in production, or a WSGI application of a test's under the same granian."""
    port = free_port()
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    command = [sys.executable, "-m", "config.serving", *place]
    if application != OURS:
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", *place, "--blocking-threads", "1"]
        command += ["--no-ws", "--log-level", "warning", application]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, start_new_session=True)
    try:
        await_listener(port)
        yield Server(port, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # nothing in it is worth a farewell
        process.wait(60)


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_listener(port: int) -> None:
    """Wait until a process listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(POLL_SECONDS)
        else:
            return
