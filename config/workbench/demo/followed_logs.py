"""An access log that is followed, with its rotation and two lines that are refused. Its requests are test ones."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from accounts.domain.actor import Actor
from accounts.models import Tenant
from metering.gateways.log_stores import LocalLogs
from metering.models import LogSource
from metering.selectors.ledgers import half_of
from metering.services.log_following import Follower, start_following
from metering.services.log_requests import AccessLog

LINES: Final = 40
PATHS: Final = ("/v1/tiles/8/132/85", "/v1/geocode?q=Berlin", "/v1/routes", "/v1/usage")
SENTENCE: Final = "nginx: configuration reloaded\n"


def add_followed_log(*, tenant: Tenant, folder: Path, actor: Actor, as_of: datetime) -> None:
    """Write a log and follow it once, unless a log is followed already."""
    if LogSource.objects.filter(tenant=tenant).exists():
        return
    path = folder / "demo-gateway.log"
    lines = [_line(number, as_of - timedelta(minutes=10 * (LINES - number))) for number in range(LINES)]
    path.with_name("demo-gateway.log.1").write_text("".join([*lines[: LINES // 2], SENTENCE]))
    path.write_text("".join([*lines[LINES // 2 :], lines[-1].replace(" 200 ", " OK ").replace(" 404 ", " OK ")]))
    ledger = half_of(tenant, is_live=False)
    log = AccessLog(ledger, str(path))
    source = start_following(log=log, actor=actor, as_of=as_of)
    with Follower(log, source, LocalLogs(path)) as follower:
        follower.read_new(as_of=as_of, is_interrupted=lambda: False)


def _line(number: int, at: datetime) -> str:
    status = 200 if number % 9 else 404
    return (
        f"203.0.113.{number % 5 + 1} - - [{at:%d/%b/%Y:%H:%M:%S %z}] "
        f'"GET {PATHS[number % len(PATHS)]} HTTP/1.1" {status} {1200 + 37 * number} "-" "demo/1.0"\n'
    )
