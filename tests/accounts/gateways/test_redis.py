"""A stopped Redis holds a thread once. For a while after that, it is not tried."""

import time
from collections.abc import Iterator

import pytest
import redis

from accounts.gateways.redis import PAUSE_SECONDS, TIMEOUT_SECONDS, BoundedRedis, BoundedRedisCache
from tests.security.web import silent_service


@pytest.fixture
def silent_redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(BoundedRedis, "asked_again_at", 0)
    with silent_service() as address:
        yield address.replace("http", "redis")


@pytest.mark.takes_long("it waits for a deadline")
def test_a_stopped_redis_is_waited_for_once_and_tried_again_later(
    silent_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = BoundedRedisCache(silent_redis, {})
    started = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        cache.get("x")
    for _ in range(20):
        with pytest.raises(redis.ConnectionError, match="did not answer"):
            cache.get("x")
    assert time.monotonic() - started < TIMEOUT_SECONDS * 4
    assert BoundedRedis.asked_again_at - time.monotonic() <= PAUSE_SECONDS
    monkeypatch.setattr(BoundedRedis, "asked_again_at", 0)
    with pytest.raises(redis.TimeoutError):
        cache.get("x")
