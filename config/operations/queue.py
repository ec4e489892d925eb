"""What there is to know about the task queue: which clusters are alive, how much waits, what has failed.

A cluster publishes its state in the cache about twice a second, and lets it expire after three seconds; so a cluster
that was killed is noticed, and no process needs to be asked.
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
    """How the queue stands. `waiting` includes what no worker has taken yet; `running` is taken and not finished."""

    clusters: int
    waiting: int
    running: int
    failed: int


def clusters_alive() -> list[Stat]:
    """The clusters that published a state within three seconds, and take tasks.

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
    """Put a failed task back into the queue, once."""
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
    """Forget a failed task."""
    task.delete()


def queue_state(as_of: datetime) -> QueueState:
    """Counts for dashboards and metrics; the tables are kept small by the queue itself."""
    counts = OrmQ.objects.aggregate(
        waiting=Count("pk", filter=Q(lock__isnull=True) | Q(lock__lte=as_of)),
        running=Count("pk", filter=Q(lock__gt=as_of)),
    )
    return QueueState(clusters=len(clusters_alive()), failed=Failure.objects.count(), **counts)
