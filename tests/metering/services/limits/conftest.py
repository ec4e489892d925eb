"""Both stores of limits under one suite. If no Redis responds, its half is skipped with the reason."""

import os
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
import redis
from pytest_django import Settings

from accounts.models import Tenant
from metering.domain.ledger import Ledger
from metering.gateways.limit_stores.chosen import redis_limits
from metering.gateways.limit_stores.postgres import PostgresLimits
from metering.gateways.limit_stores.protocol import LimitStore
from metering.gateways.limit_stores.redis import RedisLimits
from metering.selectors.limits import forget_limits

REDIS_URL = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/9"
STORES = ("postgres", "redis")


def redis_client() -> redis.Redis:
    return redis.Redis.from_url(REDIS_URL, decode_responses=True)


def require_redis() -> None:
    client = redis_client()
    try:
        client.ping()
    except redis.RedisError as error:
        pytest.skip(f"no Redis responds at {REDIS_URL}: {error}")
    finally:
        client.close()


def delete_keys(pattern: str) -> None:
    client = redis_client()
    for key in client.scan_iter(match=pattern, count=1000):
        client.delete(key)
    client.close()


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    forget_limits()


@pytest.fixture
def ledger() -> Ledger:
    """Return a ledger that no other test uses, so that old counters in Redis do not disturb."""
    return Ledger(tenant_id=uuid4(), is_live=True, time_zone="Europe/Berlin", backfill_days=35)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, db: None) -> Iterator[LimitStore]:
    if request.param == "postgres":
        yield PostgresLimits()
        return
    require_redis()
    prefix = f"countinghouse:test:{UUID(int=uuid4().int).hex}"
    limits = RedisLimits(REDIS_URL, prefix)
    yield limits
    limits.close()
    delete_keys(f"{prefix}:*")


@pytest.fixture(params=STORES)
def backend(request: pytest.FixtureRequest, db: None, settings: Settings) -> Iterator[str]:
    """Set the store, for tests that go through the services."""
    if request.param == "postgres":
        settings.REDIS_URL = ""
        yield request.param
        return
    require_redis()
    settings.REDIS_URL = REDIS_URL
    yield request.param
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        delete_keys(f"countinghouse:limits:{{{tenant_id.hex}:*")
    redis_limits(REDIS_URL).close()
