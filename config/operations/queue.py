"""The state of the task queue: the running clusters, the waiting tasks, and the failed ones.

A cluster publishes its state in the cache about twice a second, with an expiry of three seconds. So a killed cluster is
noticed without a call to any process.
"""

from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.db.models import Count, Q
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Task
from django_q.signing import BadSignature, SignedPackage
from django_q.status import Stat
from django_q.tasks import async_task


@dataclass(frozen=True, slots=True)
class QueueState:
    """The state of the queue. `waiting` includes what no worker has taken yet; `running` is taken and not finished."""

    clusters: int
    waiting: int
    running: int
    failed: int


def clusters_alive() -> list[Stat]:
    """Return the clusters that published a state within three seconds and take tasks.

    `Stat.get_all` does the same and writes the list of clusters back, which loses one that has just started.
    """
    packages = cache.get_many(cache.get(Conf.Q_STAT, []))
    states = [_state(package) for package in packages.values()]
    return [state for state in states if state is not None and state.status in {Conf.IDLE, Conf.WORKING}]


def _state(package: str) -> Stat | None:
    try:
        state: Stat = SignedPackage.loads(package)
    except BadSignature:
        return None
    return state


def try_again(task: Task) -> None:
    """Return a failed task to the queue, once."""
    async_task(
        task.func,
        *(task.args or ()),
        hook=task.hook,
        group=task.group,
        task_name=task.name,
        **(task.kwargs or {}),
    )
    dismiss(task)


def dismiss(task: Task) -> None:
    """Delete a failed task."""
    task.delete()


def queue_state(as_of: datetime) -> QueueState:
    """Return counts for dashboards and metrics. The queue itself keeps its tables small."""
    counts = OrmQ.objects.aggregate(
        waiting=Count("pk", filter=Q(lock__isnull=True) | Q(lock__lte=as_of)),
        running=Count("pk", filter=Q(lock__gt=as_of)),
    )
    return QueueState(clusters=len(clusters_alive()), failed=Failure.objects.count(), **counts)
