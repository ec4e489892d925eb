"""The rows of the bench: what each one sends, which yardstick it is compared with, and what it must reach."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from tests.bench.load import Load, measure, request_bytes
from tests.bench.processes import Spent, snapshot
from tests.bench.requests import (
    EVENTS_PER_BATCH,
    authorizations,
    batches,
    event_json,
    forwarded,
    reservations,
    single_events,
    views,
)
from tests.bench.rig import Server
from tests.bench.subjects import Subjects

MANY: Final = 32
TENANTS_A_BATCH: Final = 100
GROWTH_MOST: Final = 1.5
# Until each process has met each of a thousand tenants.
WARM_SECONDS_OF_MANY: Final = 0.8


class Measure(StrEnum):
    """What a row's ratio compares with that of its yardstick."""

    CPU = "cpu"
    RATE = "rate"


@dataclass(frozen=True)
class Row:
    """One row: how it is measured, by name of its yardstick, and the least ratio that it should reach."""

    name: str
    run: Callable[[float], Load]
    tree: str = ""
    clients: int = MANY
    events: int = 1
    of: str = "bare"
    by: Measure = Measure.CPU
    least: float | None = None
    warm_seconds: float = 0.2

    @property
    def unit(self) -> str:
        """Return what is counted."""
        return "events/s" if self.by is Measure.RATE else "requests/s"


@dataclass(frozen=True)
class Figure:
    """What one measurement of a row gave. CPU is in microseconds a request, for a batch an event."""

    rate: float
    p50_ms: float
    p99_ms: float
    server_us: float
    pg_us: float
    client_us: float
    others: float

    @property
    def cpu_us(self) -> float:
        """Return the CPU of server and PostgreSQL."""
        return self.server_us + self.pg_us


def take(row: Row, trees: Mapping[str, int], seconds: float) -> Figure:
    """Measure one row."""
    watched = {"pg": trees["pg"]} | ({row.tree: trees[row.tree]} if row.tree else {})
    if row.warm_seconds:
        row.run(row.warm_seconds)
    before = snapshot(watched)
    load = row.run(seconds)
    spent = Spent.between(before, snapshot(watched))
    events = max(1, sum(load.statuses.values())) * row.events
    return Figure(
        rate=load.rate * row.events,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        server_us=spent.trees.get(row.tree, 0.0) / events * 1e6,
        pg_us=spent.trees["pg"] / events * 1e6,
        client_us=load.client_us / row.events,
        others=spent.others,
    )


class Rows:
    """The rows of one round. `tag` is part of each event's id."""

    def __init__(self, servers: Mapping[str, Server], subjects: Subjects, tag: str) -> None:
        self._servers = servers
        self._subjects = subjects
        self._tag = tag

    def bare(self, name: str = "bare") -> Row:
        """Return the yardstick of single requests: a DRF view that parses a body and returns a constant."""
        request = request_bytes("POST", "/drf", event_json("the-same", 1).encode())
        return self._row(name, "bare", [request])

    def calls(self) -> list[Row]:
        """Return the single calls of one tenant, and over one connection."""
        free, limited, full = ([keys[0]] for keys in (self._subjects.free, self._subjects.limited, self._subjects.full))
        return [
            self._row("single", "ours", single_events(free, self._tag), expected=201, least=0.7),
            self._row("authorize", "ours", authorizations(limited, self._tag), least=0.5),
            self._row("ask", "ours", authorizations(limited, self._tag, is_recorded=False), least=0.9),
            self._row("refused", "ours", authorizations(full, self._tag), expected=429, least=0.8),
            self._row("single.c1", "ours", single_events(free, self._tag), expected=201, clients=1),
            self._row("authorize.c1", "ours", authorizations(limited, self._tag), clients=1),
        ]

    def calls_on_the_long_way(self) -> list[Row]:
        """Return the calls that decide by limits and have no short way, beside an authorization."""
        limited = [self._subjects.limited[4]]
        row = partial(self._row, tree="ours", of="authorize")
        return [
            row("reserve", requests=reservations(limited, self._tag), expected=201),
            row("forward", requests=forwarded(limited, self._tag), expected=204),
        ]

    def calls_of_many(self) -> list[Row]:
        """Return the same calls by a thousand tenants in turn."""
        free, limited, full = self._subjects.free, self._subjects.limited, self._subjects.full
        row = partial(self._row, tree="ours", least=0.9, warm_seconds=WARM_SECONDS_OF_MANY)
        return [
            row("single.tenants", requests=single_events(free, self._tag), expected=201, of="single"),
            row("authorize.tenants", requests=authorizations(limited, self._tag), of="authorize"),
            row("ask.tenants", requests=authorizations(limited, self._tag, is_recorded=False), of="ask"),
            row("refused.tenants", requests=authorizations(full, self._tag), expected=429, of="refused"),
        ]

    def calls_on_redis(self) -> list[Row]:
        """Return the same calls with limits in Redis, if there is one."""
        if "redis" not in self._servers:
            return []
        limited, full = ([keys[1]] for keys in (self._subjects.limited, self._subjects.full))
        row = partial(self._row, tree="redis", least=0.45)
        return [
            row("single.redis", requests=single_events(limited, self._tag), expected=201),
            row("authorize.redis", requests=authorizations(limited, self._tag)),
            row("ask.redis", requests=authorizations(limited, self._tag, is_recorded=False)),
            row("refused.redis", requests=authorizations(full, self._tag), expected=429),
        ]

    def adopter(self) -> list[Row]:
        """Return a view of an adopter's without and with `@metered`."""
        keys = [self._subjects.limited[2]]
        return [
            self._row("view", "ours", views("/api/v1/plain", keys)),
            self._row("view.metered", "ours", views("/api/v1/metered", keys), of="view", least=0.4),
        ]

    def batches(self, size: str, least: float, copy: Callable[[float], Load]) -> list[Row]:
        """Return batches beside COPY on a ledger of this size."""
        free, tag = self._subjects.free[0], f"{self._tag}-{size}"
        by_rate = partial(self._row, clients=4, events=EVENTS_PER_BATCH, by=Measure.RATE)
        name = f"batch.{size}"
        return [
            by_rate(name, "ours", batches(free, f"{tag}-one"), of=f"copy.{size}", least=least),
            Row(f"copy.{size}", copy, clients=2, events=EVENTS_PER_BATCH, of=f"copy.{size}", by=Measure.RATE),
            by_rate(
                f"batch.tenants.{size}",
                "ours",
                batches(
                    self._subjects.service, f"{tag}-many", tenants=self._subjects.slugs, tenants_a_batch=TENANTS_A_BATCH
                ),
                of=name,
                least=0.5,
            ),
        ]

    def growth(self, size: str) -> list[Row]:
        """Return single calls on a ledger of this size, beside those on the empty one: at most 1.5 times as dear."""
        free, limited = ([keys[0]] for keys in (self._subjects.free, self._subjects.limited))
        row = partial(self._row, tree="ours", least=round(1 / GROWTH_MOST, 2))
        return [
            row(f"single.{size}", requests=single_events(free, self._tag), expected=201, of="single"),
            row(f"authorize.{size}", requests=authorizations(limited, self._tag), of="authorize"),
        ]

    def without_row_security(self) -> list[Row]:
        """Return calls of a server that logs in as the superuser, to whom no policy applies: the cost of policies."""
        free, limited = ([keys[3]] for keys in (self._subjects.free, self._subjects.limited))
        row = partial(self._row, tree="owner")
        return [
            row("single.no-policies", requests=single_events(free, self._tag), expected=201, of="single"),
            row("authorize.no-policies", requests=authorizations(limited, self._tag), of="authorize"),
            row(
                "batch.no-policies",
                requests=batches(free[0], f"{self._tag}-owner"),
                clients=4,
                events=EVENTS_PER_BATCH,
                of="batch.empty",
                by=Measure.RATE,
            ),
        ]

    def _row(
        self,
        name: str,
        tree: str,
        requests: Sequence[bytes],
        *,
        clients: int = MANY,
        expected: int = 200,
        **more: object,
    ) -> Row:
        def run(seconds: float) -> Load:
            return measure(self._servers[tree].port, requests, clients=clients, seconds=seconds, expected=expected)

        return Row(name, run, tree=tree, clients=clients, **more)  # type: ignore[arg-type] # the fields of a row
