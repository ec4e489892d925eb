"""The plan of a run: what to run and on which ports, read from the environment once."""

import contextlib
import dataclasses
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from billing.collection.gateways.stripe.settings import DEVELOPMENT_WEBHOOK_UUID
from config.workbench.embedded_postgres import EmbeddedPostgres
from config.workbench.runner.errors import RunnerError

CHECKOUT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
PORT_DEFAULT, PORT_MAX = 8000, 65535
DATABASE_NAME = "countinghouse"
FAKE_STRIPE = "config.workbench.fakestripe"
# This marks the processes of one data directory, so that orphans of a killed runner are found.
OWNER_VARIABLE = "COUNTINGHOUSE_RUN"
# The fake Stripe's port, counted from the web server's: 8000 has 12111 beside it.
STRIPE_PORT_DISTANCE = 4111
# Publicly known, and valid only for the fake: nothing real was ever signed with them.
FAKE_STRIPE_KEY, FAKE_STRIPE_WEBHOOK_SECRET = "sk_test_countinghouseFakeStripe000", "whsec_countinghouseFakeStripe"


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """One installation on this machine: its data, its port and the environment of its processes."""

    data_dir: Path
    port: int
    web_workers: int
    with_demo: bool
    database: EmbeddedPostgres | None
    environment: Mapping[str, str] = dataclasses.field(repr=False)  # holds secrets
    stripe_port: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the plan. Raise RunnerError for an invalid value."""
        data_dir = Path(environment.get("COUNTINGHOUSE_DATA_DIR") or CHECKOUT / ".data").resolve()
        port = _number(environment, "PORT", PORT_DEFAULT, PORT_MAX)
        return cls(
            data_dir=data_dir,
            port=port,
            web_workers=_number(environment, "WEB_WORKERS", 1, 64),
            with_demo=environment.get("DEMO", "1") != "0",
            database=None if environment.get("DATABASE_URL") else EmbeddedPostgres(data_dir=data_dir / "postgres"),
            environment={
                "COUNTINGHOUSE_PROFILE": "development",
                **environment,
                "PORT": str(port),
                "PYTHONUNBUFFERED": "1",
                OWNER_VARIABLE: str(data_dir),
            },
        )

    @property
    def url(self) -> str:
        """Return the portal's address for a browser on this machine."""
        return f"http://localhost:{self.port}"

    @property
    def web_command(self) -> list[str]:
        """Return the command of the web server, the same as in production."""
        place = ("--host", HOST, "--port", str(self.port), "--workers", str(self.web_workers))
        return [sys.executable, "-m", "config.serving", *place]

    def with_fake_stripe(self, running_port: int = 0) -> Self:
        """Return the plan with a fake Stripe, the running one or a new one.

        Return it without one if a key is set, or in production.
        """
        is_development = self.environment["COUNTINGHOUSE_PROFILE"] == "development"
        if not is_development or self.environment.get("STRIPE_SECRET_KEY"):
            return self
        wished = self.port + STRIPE_PORT_DISTANCE
        port = running_port or _free_port(wished if wished <= PORT_MAX else self.port - STRIPE_PORT_DISTANCE)
        wiring = {
            "STRIPE_SECRET_KEY": FAKE_STRIPE_KEY,
            "STRIPE_API_HOST": f"http://{HOST}:{port}",
            "STRIPE_WEBHOOK_SECRET": FAKE_STRIPE_WEBHOOK_SECRET,
            "STRIPE_WEBHOOK_UUID": self.environment.get("STRIPE_WEBHOOK_UUID") or DEVELOPMENT_WEBHOOK_UUID,
            # Stripe's library reads a proxy from the environment, also for an address on this machine.
            **{name: ",".join(filter(None, [self.environment.get(name), HOST])) for name in ("NO_PROXY", "no_proxy")},
        }
        return dataclasses.replace(self, stripe_port=port, environment={**self.environment, **wiring})

    @property
    def stripe_url(self) -> str:
        """Return the address of the fake Stripe, if there is one."""
        return f"http://{HOST}:{self.stripe_port}" if self.stripe_port else ""

    @property
    def stripe_command(self) -> list[str]:
        """Return the command of the fake Stripe, which keeps its state between runs, as our database does."""
        uuid = self.environment.get("STRIPE_WEBHOOK_UUID") or DEVELOPMENT_WEBHOOK_UUID
        webhook = f"http://{HOST}:{self.port}/webhooks/stripe/{uuid}"
        return [
            *(sys.executable, "-m", FAKE_STRIPE, "--port", str(self.stripe_port)),
            *("--webhook-url", webhook),
            *("--state", str(self.data_dir / "stripe.jsonl")),
        ]

    def manage(self, *arguments: str) -> list[str]:
        """Return a command of `manage.py`."""
        return [sys.executable, str(CHECKOUT / "manage.py"), *arguments]

    def refuse_taken_port(self) -> None:
        """Raise RunnerError if another program listens on the port."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, self.port))
            except OSError as error:
                message = (
                    f"Port {self.port} cannot be used ({os.strerror(error.errno or 0).lower()}):"
                    f" stop what listens there, or choose another, as in PORT={self.port + 1} make run."
                )
                raise RunnerError(message) from error


def _free_port(wished: int) -> int:
    """Return the wished port, or any other if another program has it."""
    for port in (wished, 0):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
            return int(listener.getsockname()[1])
    raise RunnerError("No port is free for the fake Stripe.")


def _number(environment: Mapping[str, str], name: str, default: int, highest: int) -> int:
    word = environment.get(name, "").strip() or str(default)
    if not word.isascii() or not word.isdigit() or not 1 <= int(word) <= highest:
        raise RunnerError(f"{name} is {word!r}; it must be a whole number from 1 to {highest}.")
    return int(word)
