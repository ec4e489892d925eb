"""The product as a user starts it: `make run`'s own runner, on a port and in a data directory of its own."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.workbench.runner.plan import PADDLE_PORT_DISTANCE, PORT_MAX, STRIPE_PORT_DISTANCE

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX, STOP_SECONDS_MAX = 600, 60
# What the test run itself is configured with, and what would lead the installation to other people's data.
NOT_INHERITED = frozenset({
    "DATABASE_URL", "DATABASE_AS_OWNER", "REDIS_URL", "PUBLIC_URL", "COUNTINGHOUSE_PROFILE",
    "COUNTINGHOUSE_TEST_RUN_DIR",
    "STRIPE_SECRET_KEY", "STRIPE_API_HOST", "STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_UUID",
    "PADDLE_API_KEY", "PADDLE_API_HOST", "PADDLE_WEBHOOK_SECRET", "PADDLE_CHECKOUT_URL",
})  # fmt: skip


class Installation:
    """Database, web server and worker as one child process, and what it printed."""

    def __init__(self, *, data_dir: Path, log_file: Path, mail_port: int) -> None:
        """Choose a port. `start` opens it."""
        self.data_dir = data_dir
        self.log_file = log_file
        self.port = free_port()
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        self.environment = inherited | {
            "COUNTINGHOUSE_DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "EMAIL_URL": f"smtp://127.0.0.1:{mail_port}",
        }
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Return the address of the portal, as the runner prints it."""
        return f"http://localhost:{self.port}"

    @property
    def stripe_url(self) -> str:
        """Return the address of the fake Stripe beside it."""
        above = self.port + STRIPE_PORT_DISTANCE
        return f"http://127.0.0.1:{above if above <= PORT_MAX else self.port - STRIPE_PORT_DISTANCE}"

    @property
    def paddle_url(self) -> str:
        """Return the address of the fake Paddle beside it."""
        above = self.port + PADDLE_PORT_DISTANCE
        return f"http://127.0.0.1:{above if above <= PORT_MAX else self.port - PADDLE_PORT_DISTANCE}"

    @property
    def demo(self) -> Mapping[str, Any]:
        """Return logins and keys of the demo data."""
        demo: dict[str, Any] = json.loads((self.data_dir / "demo.json").read_text())
        return demo

    def start(self) -> None:
        """Start everything, and return when the runner says that it runs."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "config.workbench.runner", "run"],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        is_running = threading.Event()
        last_lines: deque[str] = deque(maxlen=40)
        threading.Thread(target=self._keep_log, args=(self._process, is_running, last_lines), daemon=True).start()
        assert is_running.wait(START_SECONDS_MAX), "".join(last_lines)
        if self._process.poll() is not None:
            raise RuntimeError("The installation did not start:\n" + "".join(last_lines))

    def stop(self) -> int:
        """Press Ctrl-C. Return the status with which the runner ended."""
        assert self._process is not None, "it was started"
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(STOP_SECONDS_MAX)

    def remove(self) -> None:
        """Stop what may still run, as `make stop` does, and delete the data."""
        subprocess.run(
            [sys.executable, "-m", "config.workbench.runner", "stop"],
            cwd=CHECKOUT,
            env=self.environment,
            check=True,
            timeout=600,
        )
        shutil.rmtree(self.data_dir)

    def manage(self, *arguments: str) -> str:
        """Run a command as an operator does, and return its output."""
        command = [sys.executable, "-m", "config.workbench.runner", "manage", *arguments]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def ask(
        self, method: str, path: str, *, key: str, body: Mapping[str, object] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Call the API as a customer's program does. Return the status and the JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            connection.request(method, f"/api/v1{path}", json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")
        finally:
            connection.close()

    def _keep_log(self, process: subprocess.Popen[str], is_running: threading.Event, last_lines: deque[str]) -> None:
        assert process.stdout is not None, "it was asked for"
        with process.stdout, self.log_file.open("w") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                last_lines.append(line)
                if "Countinghouse is running" in line:
                    is_running.set()
        process.wait(120)
        is_running.set()


def free_port() -> int:
    """Return a port on which no process listens at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
