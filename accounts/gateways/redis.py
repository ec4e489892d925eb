"""Redis, asked in bounded time, and left alone for a while by a process whose question it did not answer.

A Redis that is stopped takes connections and never answers: each question would hold a thread for its timeout. This is
kept in the process and not with the other circuits, since it is asked on the way of each event.
"""

from collections.abc import Mapping
from time import monotonic
from typing import Any, ClassVar, Final

import redis
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_SECONDS: Final = 0.5
PAUSE_SECONDS: Final = 5
# As connections are made everywhere: no question is sent twice.
CONNECTION: Final[Mapping[str, Any]] = {
    "socket_timeout": TIMEOUT_SECONDS,
    "socket_connect_timeout": TIMEOUT_SECONDS,
    "retry": Retry(NoBackoff(), 0),
}


class BoundedRedis(redis.Redis):
    """Raises `redis.ConnectionError` at once for `PAUSE_SECONDS` after a question of this process was not answered."""

    asked_again_at: ClassVar[float] = 0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Ask, if it answered last."""
        if monotonic() < BoundedRedis.asked_again_at:
            raise redis.ConnectionError("Redis did not answer, and is asked again in a moment.")
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # redis-py leaves it untyped
        except redis.TimeoutError:
            BoundedRedis.asked_again_at = monotonic() + PAUSE_SECONDS
            raise


class BoundedCacheClient(RedisCacheClient):
    """Django's client over `BoundedRedis`."""

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **{**CONNECTION, **options})
        self._client = BoundedRedis


class BoundedRedisCache(RedisCache):
    """Django's cache over `BoundedRedis`."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = BoundedCacheClient
