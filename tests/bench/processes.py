"""CPU seconds by process tree: what a load costs the server and PostgreSQL, and how busy others keep the machine."""

import os
import time
from dataclasses import dataclass
from typing import Self

import psutil


@dataclass(frozen=True)
class Snapshot:
    """CPU seconds used so far: by each named tree, by all of ours, and by the whole machine."""

    trees: dict[str, float]
    ours: float
    machine: float
    at: float


@dataclass(frozen=True)
class Spent:
    """CPU seconds of each tree between two snapshots, and the share of the machine that others used."""

    trees: dict[str, float]
    others: float

    @classmethod
    def between(cls, before: Snapshot, after: Snapshot) -> Self:
        """Return the differences."""
        trees = {name: after.trees[name] - before.trees[name] for name in after.trees}
        others = (after.machine - before.machine) - (after.ours - before.ours)
        return cls(trees, max(0.0, others) / ((after.at - before.at) * (os.cpu_count() or 1)))


def snapshot(trees: dict[str, int], *, foreign: tuple[str, ...] = ("pg",)) -> Snapshot:
    """Return the CPU seconds of each tree by its root's id. `foreign` trees are no children of this process."""
    by_tree = {name: _seconds_of(root) for name, root in trees.items()}
    ours = _seconds_of(os.getpid()) + sum(by_tree[name] for name in foreign if name in by_tree)
    busy = psutil.cpu_times()
    machine = busy.user + busy.system + busy.nice + busy.irq + busy.softirq
    return Snapshot(by_tree, ours, machine, time.monotonic())


def _seconds_of(root: int) -> float:
    """Return what a process and its descendants used, also those that have ended."""
    total = 0.0
    process = psutil.Process(root)
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:  # its parent has its times now
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
