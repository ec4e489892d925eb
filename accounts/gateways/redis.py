"""Redis, called with a time limit, and not called for a while by a process after a failure.

A stopped Redis accepts connections and never responds: each command would hold a thread for its timeout. The state is
kept in the process and not with the other circuits, since every event calls Redis.
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
# As for every connection: no command is sent twice.
CONNECTION: Final[Mapping[str, Any]] = {
    "socket_timeout": TIMEOUT_SECONDS,
    "socket_connect_timeout": TIMEOUT_SECONDS,
    "retry": Retry(NoBackoff(), 0),
}


class BoundedRedis(redis.Redis):
    """Raises `redis.ConnectionError` at once for `PAUSE_SECONDS` after a command of this process failed."""

    asked_again_at: ClassVar[float] = 0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command, unless the last one failed a moment ago."""
        if monotonic() < BoundedRedis.asked_again_at:
            raise redis.ConnectionError("Redis did not answer, and is tried again in a moment.")
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
