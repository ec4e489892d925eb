"""`python -m tests.bench.invoicing`: the cost of closing a month for many subscriptions, beside the raw SQL sum.

Creates subscriptions with a month of usage on a PostgreSQL of its own with `fsync` on, then drafts and finalizes their
invoices by the services that the schedule calls, each step in a process of its own so that its memory is its own, or
in several side by side. Prints a table and writes nothing. The ratio of the CPU time is the one to compare on a machine
that has other work: it counts Python's and that of all of PostgreSQL's processes.
"""

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from statistics import median
from typing import Any, Final
from uuid import uuid4

import django
import psycopg

from accounts.domain.reach import WayIn, let_process_reach
from tests.bench.processes import Spent, snapshot
from tests.bench.rig import CHECKOUT, postmaster_of, production, throw_away_postgres

SUBSCRIPTIONS: Final = 10_000
METERS: Final = 5
EVENTS_EACH: Final = 30
MARCH: Final = datetime(2026, 3, 1, tzinfo=UTC)
APRIL: Final = datetime(2026, 4, 1, tzinfo=UTC)
GRACE: Final = timedelta(hours=1)
KIBIBYTES_PER_MEBIBYTE: Final = 1024
RAW_SUMS: Final = 3
PROPERTIES: Final = ", ".join(f"'m{meter}', (s.n * {meter + 7} + e.n * {meter + 3}) %% 1000" for meter in range(METERS))
EVENTS: Final = f"""
INSERT INTO event (tenant_id, is_live, occurred_at, key, id, source, type, quantity, properties, received_at)
SELECT s.tenant_id, true, at, decode(md5(e.n::text), 'hex'), e.n::text, '', 'bench', 1,
    jsonb_build_object({PROPERTIES}), at
FROM (SELECT tenant_id, row_number() OVER () AS n FROM billing_subscription) AS s
CROSS JOIN generate_series(1, %(events)s) AS e(n)
CROSS JOIN LATERAL (SELECT %(march)s::timestamptz + (e.n * 86400 * 30 / %(events)s + s.n %% 3000) * interval
    '1 second' AS at) AS t
"""
HOURS: Final = """
INSERT INTO usage_hour (tenant_id, is_live, meter_id, hour, slot, quantity, events)
SELECT e.tenant_id, true, m.id, date_trunc('hour', e.occurred_at, 'UTC'), 0,
    sum((e.properties ->> m.value_property)::numeric), count(*)
FROM event AS e CROSS JOIN metering_meter AS m WHERE m.code LIKE 'bench%%' AND e.type = 'bench' GROUP BY 1, 3, 4
"""
SUM_OF_HOURS: Final = """
SELECT tenant_id, meter_id, sum(quantity), sum(events) FROM usage_hour
WHERE is_live AND hour >= %(march)s AND hour < %(april)s GROUP BY 1, 2
"""
SUM_OF_EVENTS: Final = f"""
SELECT tenant_id, {", ".join(f"sum((properties ->> 'm{meter}')::numeric)" for meter in range(METERS))}, count(*)
    FROM event
WHERE is_live AND type = 'bench' AND occurred_at >= %(march)s AND occurred_at < %(april)s GROUP BY 1
"""


@dataclass(frozen=True)
class Line:
    """One row of the table. The seconds of Python and PostgreSQL are those of their CPU."""

    name: str
    seconds: float
    done: int
    python_seconds: float = 0
    postgres_seconds: float = 0
    mebibytes: float = 0
    batches: int = 0
    statements: int = 0

    @property
    def cpu_seconds(self) -> float:
        """Return the CPU time of both."""
        return self.python_seconds + self.postgres_seconds


def prepare(subscriptions: int) -> None:
    """Migrate. Create tenants, a plan with a fee and five meters, subscriptions since March, and their usage."""
    from django.core.management import call_command  # noqa: PLC0415 - its models need the settings that main makes
    from django.db import connection  # noqa: PLC0415

    from accounts.models import Tenant  # noqa: PLC0415
    from billing.domain.prices import Graduated, PerUnit, Tier  # noqa: PLC0415
    from billing.models import Subscription, SubscriptionPhase  # noqa: PLC0415
    from metering.services.partitions import ensure_partitions_around  # noqa: PLC0415
    from tests.billing.world import make_plan  # noqa: PLC0415
    from tests.databases import SELLER  # noqa: PLC0415
    from tests.metering.ledger_world import ADDRESS, LONG_AGO, make_meter  # noqa: PLC0415

    call_command("migrate", verbosity=0, interactive=False)
    with connection.cursor() as cursor:
        cursor.execute(SELLER)
    ensure_partitions_around(as_of=APRIL, backfill_days=62)
    graduated = Graduated((Tier(Decimal(10_000), Decimal("0.002")), Tier(None, Decimal("0.0011"))))
    usage = {f"bench{meter}": graduated if meter % 2 else PerUnit(Decimal("0.0007")) for meter in range(METERS)}
    for meter, code in enumerate(usage):
        make_meter(code, "bench", aggregation="sum", value_property=f"m{meter}")
    # Without a fee: the invoice that would have charged March's in advance is not made here, and would be missed.
    version = make_plan("bench", fee="0", usage=usage)
    tenants = [
        Tenant(id=uuid4(), slug=f"t-{n}", name=f"Tenant {n}", created_at=LONG_AGO, **ADDRESS)
        for n in range(subscriptions)
    ]
    Tenant.objects.bulk_create(tenants, batch_size=1000)
    rows = [
        Subscription(
            id=uuid4(),
            tenant=tenant,
            plan_version=version,
            status="active",
            currency="EUR",
            time_zone="UTC",
            started_at=MARCH,
            anchor_at=MARCH,
            next_boundary=1,
            due_at=APRIL,
            period_start=MARCH,
            period_end=APRIL,
            created_at=MARCH,
        )
        for tenant in tenants
    ]
    Subscription.objects.bulk_create(rows, batch_size=1000)
    SubscriptionPhase.objects.bulk_create(
        [SubscriptionPhase(subscription=row, plan_version=version, starts_at=MARCH, created_at=MARCH) for row in rows],
        batch_size=1000,
    )
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, {"events": EVENTS_EACH, "march": MARCH})
        cursor.execute(HOURS)
        cursor.execute("VACUUM ANALYZE")


def sum_raw(statement: str, *, columns: int, postmaster: int) -> Line:
    """Sum the same usage in PostgreSQL alone, as a yardstick, and fetch the sums: the median of three times."""
    from django.db import connection  # noqa: PLC0415 - as above

    seconds, python, postgres, done = [], [], [], 0
    for _ in range(RAW_SUMS):
        before, started, started_cpu = snapshot({"pg": postmaster}), time.perf_counter(), time.process_time()
        with connection.cursor() as cursor:
            cursor.execute(statement, {"march": MARCH, "april": APRIL})
            done = len(cursor.fetchall()) * columns
        seconds.append(time.perf_counter() - started)
        python.append(time.process_time() - started_cpu)
        postgres.append(Spent.between(before, snapshot({"pg": postmaster})).trees["pg"])
    name = "raw sum of hours" if columns == 1 else "raw sum of events"
    return Line(name, median(seconds), done, median(python), median(postgres))


def measure_step(step: str) -> None:
    """Run one step in this process, and print what it took."""
    from billing.selectors.invoicing.due import Due  # noqa: PLC0415 - as above
    from billing.services.invoicing.drafting import draft_batch  # noqa: PLC0415
    from billing.services.invoicing.finalizing import finalize_batch  # noqa: PLC0415
    from billing.verification.services.running import BATCH_SIZE, run_verification  # noqa: PLC0415

    statements = count()
    execute: Callable[..., Any] = psycopg.Cursor.execute

    def counted(*arguments: Any, **named: Any) -> Any:
        next(statements)
        return execute(*arguments, **named)

    psycopg.Cursor.execute = counted  # type: ignore[method-assign]
    started, started_cpu, done, batches = time.perf_counter(), time.process_time(), 0, 0
    if step == "verify":
        found = run_verification(started_by="bench", as_of=APRIL + GRACE)
        assert not found.differences, found.differences[:3]
        done, batches = found.verified, -(-found.verified // BATCH_SIZE)
    else:
        batch = draft_batch if step == "draft" else finalize_batch
        while made := batch(as_of=APRIL + GRACE, due=Due()).invoice_ids:
            done, batches = done + len(made), batches + 1
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    line = {
        "seconds": seconds,
        "done": done,
        "python_seconds": time.process_time() - started_cpu,
        "mebibytes": used.ru_maxrss / KIBIBYTES_PER_MEBIBYTE,
        "batches": batches,
        "statements": next(statements),
    }
    sys.stdout.write(json.dumps(line))


def measured_apart(
    step: str, environment: dict[str, str], *, postmaster: int, profile: bool, processes: int
) -> tuple[Line, float]:
    """Run a step in a process of its own, or in several; return also the share of the machine that others used."""
    command = [sys.executable, "-m", "tests.bench.invoicing", "--step", step, *(["--profile"] if profile else [])]
    before = snapshot({"pg": postmaster})
    running = [
        subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(1 if step == "verify" else processes)
    ]
    printed = [process.communicate(timeout=3600)[0] for process in running]
    assert not any(process.returncode for process in running), f"{step} failed"
    spent = Spent.between(before, snapshot({"pg": postmaster}))
    parts = [json.loads(text) for text in printed]
    line = Line(
        {"draft": "draft", "finalize": "finalize", "verify": "verify from events"}[step],
        seconds=max(part["seconds"] for part in parts),
        done=sum(part["done"] for part in parts),
        python_seconds=sum(part["python_seconds"] for part in parts),
        postgres_seconds=spent.trees["pg"],
        mebibytes=max(part["mebibytes"] for part in parts),
        batches=sum(part["batches"] for part in parts),
        statements=sum(part["statements"] for part in parts),
    )
    return line, spent.others


def run(subscriptions: int, *, profile: bool, processes: int) -> tuple[list[Line], float]:
    """Measure everything, one after the other. Return also the share of the machine that others used meanwhile."""
    with throw_away_postgres() as cluster:
        environment = production(cluster)
        os.environ.update(environment)
        django.setup()
        let_process_reach(WayIn.JOBS)
        postmaster = postmaster_of(cluster)
        sys.stderr.write(f"preparing {subscriptions:,} subscriptions\n")
        prepare(subscriptions)
        lines = [
            sum_raw(SUM_OF_EVENTS, columns=METERS, postmaster=postmaster),
            sum_raw(SUM_OF_HOURS, columns=1, postmaster=postmaster),
        ]
        shares = []
        for step in ("draft", "finalize", "verify"):
            sys.stderr.write(f"measuring: {step}\n")
            line, others = measured_apart(
                step, environment, postmaster=postmaster, profile=profile, processes=processes
            )
            lines.append(line)
            shares.append(others)
    return lines, max(shares)


def table(lines: list[Line], subscriptions: int) -> str:
    """Return the figures, each beside the yardstick's."""
    yardstick = next(line for line in lines if line.name == "raw sum of hours")
    rows = [
        (
            f"{'':20}{'seconds':>9}{'a second':>10}{'Python':>9}{'PostgreSQL':>12}{'peak MiB':>10}"
            f"{'statements a batch':>20}   of raw sum of hours: time, CPU"
        )
    ]
    for line in lines:
        rate = f"{line.done / line.seconds:,.0f}"
        memory = f"{line.mebibytes:,.0f}" if line.mebibytes else ""
        statements = f"{line.statements / line.batches:.1f}" if line.batches else ""
        rows.append(
            f"{line.name:20}{line.seconds:>9.2f}{rate:>10}{line.python_seconds:>9.2f}{line.postgres_seconds:>12.2f}"
            f"{memory:>10}{statements:>20}   {line.seconds / yardstick.seconds:.1f},"
            f" {line.cpu_seconds / yardstick.cpu_seconds:.1f}"
        )
    usage = f"{subscriptions:,} subscriptions x {METERS} meters, {subscriptions * EVENTS_EACH:,} events"
    return usage + f", {subscriptions * EVENTS_EACH * METERS:,} contributions\n\n" + "\n".join(rows)


def summary(lines: list[Line]) -> str:
    """Return a line for each step that a program can read."""
    yardstick = next(line for line in lines if line.name == "raw sum of hours")
    return "\n".join(
        f"row name={line.name.split()[0]} seconds={line.seconds:.2f} ratio={line.seconds / yardstick.seconds:.1f}"
        f" cpu_ratio={line.cpu_seconds / yardstick.cpu_seconds:.1f}"
        for line in lines
        if line.batches
    )


def main() -> None:
    """Print the machine and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=SUBSCRIPTIONS)
    parser.add_argument("--profile", action="store_true", help="Show where each step's time goes.")
    parser.add_argument("--processes", type=int, default=1, help="How many draft and finalize side by side.")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        django.setup()
        let_process_reach(WayIn.JOBS)
        profiler = cProfile.Profile()
        if options.profile:
            profiler.enable()
        measure_step(options.step)
        if options.profile:
            profiler.disable()
            pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(45)
        return
    lines, others = run(options.subscriptions, profile=options.profile, processes=options.processes)
    sys.stdout.write(
        f"{os.cpu_count()} cores for Python and PostgreSQL (fsync on) together, of which other work used"
        f" {others:.0%} during the busiest step; load average at the end {os.getloadavg()[0]:.1f}\n"
    )
    sys.stdout.write(f"{table(lines, options.subscriptions)}\n\n{summary(lines)}\n")


if __name__ == "__main__":
    main()
