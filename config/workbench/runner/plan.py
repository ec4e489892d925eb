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
FAKE_STRIPE, FAKE_PADDLE = "config.workbench.fakestripe", "config.workbench.fakepaddle"
RECEIVER = "config.workbench.receiver"
# This marks the processes of one data directory, so that orphans of a killed runner are found.
OWNER_VARIABLE = "COUNTINGHOUSE_RUN"
# The fake Stripe's port, counted from the web server's: 8000 has 12111 beside it.
STRIPE_PORT_DISTANCE = 4111
PADDLE_PORT_DISTANCE = 4211
RECEIVER_PORT_DISTANCE = 4112
# Where the receiver of webhooks is: endpoints may be there during development.
THIS_MACHINE = "127.0.0.0/8,::1/128"
# Publicly known, and valid only for the fakes: nothing real was ever signed with them.
FAKE_STRIPE_KEY, FAKE_STRIPE_WEBHOOK_SECRET = "sk_test_countinghouseFakeStripe000", "whsec_countinghouseFakeStripe"
FAKE_PADDLE_KEY = "pdl_sdbx_apikey_countinghouseFakePaddle"
FAKE_PADDLE_WEBHOOK_SECRET = "pdl_ntfset_countinghouseFakePaddle"  # noqa: S105 - as above


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
    paddle_port: int | None = None
    receiver_port: int | None = None

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
        port = self._port_of_fake("STRIPE_SECRET_KEY", running_port, STRIPE_PORT_DISTANCE)
        if port is None:
            return self
        wiring = {
            "STRIPE_SECRET_KEY": FAKE_STRIPE_KEY,
            "STRIPE_API_HOST": f"http://{HOST}:{port}",
            "STRIPE_WEBHOOK_SECRET": FAKE_STRIPE_WEBHOOK_SECRET,
            "STRIPE_WEBHOOK_UUID": self.environment.get("STRIPE_WEBHOOK_UUID") or DEVELOPMENT_WEBHOOK_UUID,
            **self._without_proxy(),
        }
        return dataclasses.replace(self, stripe_port=port, environment={**self.environment, **wiring})

    def with_fake_paddle(self, running_port: int = 0) -> Self:
        """Return the plan with a fake Paddle, as `with_fake_stripe` does."""
        port = self._port_of_fake("PADDLE_API_KEY", running_port, PADDLE_PORT_DISTANCE)
        if port is None:
            return self
        wiring = {
            "PADDLE_API_KEY": FAKE_PADDLE_KEY,
            "PADDLE_API_HOST": f"http://{HOST}:{port}",
            "PADDLE_CHECKOUT_URL": f"http://{HOST}:{port}/checkout",
            "PADDLE_WEBHOOK_SECRET": FAKE_PADDLE_WEBHOOK_SECRET,
            **self._without_proxy(),
        }
        return dataclasses.replace(self, paddle_port=port, environment={**self.environment, **wiring})

    def _port_of_fake(self, key: str, running_port: int, distance: int) -> int | None:
        """Return the port of a provider's fake; None if its key is set, or in production."""
        if self.environment["COUNTINGHOUSE_PROFILE"] != "development" or self.environment.get(key):
            return None
        wished = self.port + distance
        return running_port or _free_port(wished if wished <= PORT_MAX else self.port - distance)

    def _without_proxy(self) -> dict[str, str]:
        """Return the variables by which providers' libraries use no proxy for an address on this machine."""
        names = ("NO_PROXY", "no_proxy")
        said = {name: self.environment.get(name, "") for name in names}
        return {
            name: ",".join(filter(None, [text, "" if HOST in text.split(",") else HOST])) for name, text in said.items()
        }

    @property
    def paddle_url(self) -> str:
        """Return the address of the fake Paddle, if there is one."""
        return f"http://{HOST}:{self.paddle_port}" if self.paddle_port else ""

    @property
    def paddle_command(self) -> list[str]:
        """Return the command of the fake Paddle, which keeps its state between runs, too."""
        return [
            *(sys.executable, "-m", FAKE_PADDLE, "--port", str(self.paddle_port)),
            *("--webhook-url", f"http://{HOST}:{self.port}/webhooks/paddle"),
            *("--state", str(self.data_dir / "paddle.jsonl")),
        ]

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

    def with_receiver(self, running_port: int = 0) -> Self:
        """Return the plan with a receiver of webhooks, the running one or a new one; without one in production."""
        if self.environment["COUNTINGHOUSE_PROFILE"] != "development":
            return self
        wished = self.port + RECEIVER_PORT_DISTANCE
        port = running_port or _free_port(wished if wished <= PORT_MAX else self.port - RECEIVER_PORT_DISTANCE)
        wiring = {
            "DEMO_RECEIVER_URL": f"http://{HOST}:{port}",
            "EMBED_FRAME_ANCESTORS": self.environment.get("EMBED_FRAME_ANCESTORS") or f"http://{HOST}:{port}",
            "WEBHOOK_ALLOWED_NETWORKS": self.environment.get("WEBHOOK_ALLOWED_NETWORKS") or THIS_MACHINE,
        }
        return dataclasses.replace(self, receiver_port=port, environment={**self.environment, **wiring})

    @property
    def receiver_url(self) -> str:
        """Return the address of the receiver of webhooks, if there is one."""
        return f"http://{HOST}:{self.receiver_port}" if self.receiver_port else ""

    @property
    def receiver_command(self) -> list[str]:
        """Return the command of the receiver of webhooks."""
        place = ("--port", str(self.receiver_port), "--demo-file", str(self.data_dir / "demo.json"))
        return [sys.executable, "-m", RECEIVER, *place, "--api-url", self.url]

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
    raise RunnerError("No port is free for the fake of a payment provider or the receiver of webhooks.")


def _number(environment: Mapping[str, str], name: str, default: int, highest: int) -> int:
    word = environment.get(name, "").strip() or str(default)
    if not word.isascii() or not word.isdigit() or not 1 <= int(word) <= highest:
        raise RunnerError(f"{name} is {word!r}; it must be a whole number from 1 to {highest}.")
    return int(word)
