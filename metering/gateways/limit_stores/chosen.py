"""The choice of the store of limits: Redis if `REDIS_URL` is set, else PostgreSQL."""

from functools import lru_cache

from django.conf import settings

from metering.gateways.limit_stores.postgres import PostgresLimits
from metering.gateways.limit_stores.protocol import LimitStore
from metering.gateways.limit_stores.redis import RedisLimits


def limit_store() -> LimitStore:
    """Return the store that the settings name."""
    return redis_limits(settings.REDIS_URL) if settings.REDIS_URL else PostgresLimits()


@lru_cache(maxsize=4)
def redis_limits(url: str) -> RedisLimits:
    """Return the process's store at `url`, which keeps its connections open."""
    return RedisLimits(url)
