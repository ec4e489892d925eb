"""The figures of a run as a table for people, and as one line a row for programs: `row name=… rate=… …`."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from statistics import median
from typing import Final

from tests.bench.rows import Figure, Measure, Row

Round = Mapping[str, Figure]

HEAD: Final = (
    f"{'':22}{'rate':>11} {'':10}{'p50 ms':>8}{'p99 ms':>8}{'server':>9}{'pg':>8}{'client':>8}{'others':>8}   "
    "ratio: CPU, rate"
)


def medians(rounds: Sequence[Round], name: str) -> Figure:
    """Return the median of each figure of a row."""
    return Figure(
        **{one.name: median(getattr(figures[name], one.name) for figures in rounds) for one in fields(Figure)}
    )


def ratios(rounds: Sequence[Round], row: Row) -> tuple[float, float]:
    """Return how a row compares with its yardstick by CPU and by rate: medians of the ratios of each round."""
    pairs = [(figures[row.name], figures[row.of]) for figures in rounds]
    by_cpu = median(yardstick.cpu_us / figure.cpu_us if figure.cpu_us else 0.0 for figure, yardstick in pairs)
    return by_cpu, median(figure.rate / yardstick.rate for figure, yardstick in pairs)


def table(rounds: Sequence[Round], rows: Sequence[Row]) -> str:
    """Return the table. CPU is in microseconds a request, or an event of a batch."""
    return "\n".join([HEAD, *(_table_line(medians(rounds, row.name), ratios(rounds, row), row) for row in rows)])


def summary(rounds: Sequence[Round], rows: Sequence[Row]) -> str:
    """Return one line a row, of names and values."""
    return "\n".join(_summary_line(medians(rounds, row.name), ratios(rounds, row), row) for row in rows)


def _table_line(figure: Figure, ratio: tuple[float, float], row: Row) -> str:
    wanted = ""
    if row.least is not None:
        is_enough = ratio[row.by is Measure.RATE] >= row.least
        wanted = f"   {'' if is_enough else 'BELOW '}{row.least:g}"
    return (
        f"{row.name:22}{figure.rate:>11,.0f} {row.unit:10}{figure.p50_ms:>8.2f}{figure.p99_ms:>8.2f}"
        f"{figure.server_us:>9.1f}{figure.pg_us:>8.1f}{figure.client_us:>8.1f}{figure.others:>8.0%}"
        f"   {ratio[0]:.2f}, {ratio[1]:.2f} of {row.of}{wanted}"
    )


def _summary_line(figure: Figure, ratio: tuple[float, float], row: Row) -> str:
    values = {
        "name": row.name,
        "connections": row.clients,
        "rate": f"{figure.rate:.1f}",
        "unit": row.unit,
        "p50_ms": f"{figure.p50_ms:.3f}",
        "p99_ms": f"{figure.p99_ms:.3f}",
        "server_us": f"{figure.server_us:.1f}",
        "pg_us": f"{figure.pg_us:.1f}",
        "client_us": f"{figure.client_us:.1f}",
        "others": f"{figure.others:.3f}",
        "of": row.of,
        "cpu_ratio": f"{ratio[0]:.3f}",
        "rate_ratio": f"{ratio[1]:.3f}",
        "by": row.by.value,
        "least": "" if row.least is None else f"{row.least:g}",
    }
    return "row " + " ".join(f"{name}={value}" for name, value in values.items() if value != "")
