"""The API never waits behind a page."""

import asyncio
import threading

import pytest

from config.serving.pools import Pool, PoolFullError, Pools


@pytest.mark.parametrize(
    ("path", "is_api"),
    [
        ("/api/v1/events", True), ("/api/v1/authorize", True), ("/webhooks/stripe/x", True), ("/healthz", True),
        ("/readyz", True), ("/metrics", False), ("/", False), ("/t/acme/plan/", False), ("/admin/", False),
        ("/api/docs/", False), ("/api/v1/operator/invoices", False),
        ("/api/v1/usage/sql", False), ("/api/v1/usage/query", True),
    ],
)  # fmt: skip
def test_api_calls_have_a_pool_of_their_own(path: str, is_api: bool) -> None:
    pools = Pools(api=Pool("api", threads=1, waiting_max=1), pages=Pool("pages", threads=1, waiting_max=1))
    assert pools.of_path(path) is (pools.api if is_api else pools.pages)


def test_a_call_gets_its_response_while_a_page_hangs() -> None:
    page_may_end = threading.Event()
    pools = Pools(api=Pool("api", threads=1, waiting_max=1), pages=Pool("pages", threads=1, waiting_max=1))

    async def both() -> tuple[str, bool]:
        page = asyncio.ensure_future(pools.pages.run(lambda: page_may_end.wait(30)))
        answer = await pools.api.run(lambda: "stored")
        page_may_end.set()
        return answer, await page

    assert asyncio.run(both()) == ("stored", True)
    pools.close()


def test_requests_beyond_the_queue_are_refused_at_once() -> None:
    may_end = threading.Event()
    pool = Pool("pages", threads=1, waiting_max=2)

    async def crowd() -> list[object]:
        asked = [asyncio.ensure_future(pool.run(lambda: may_end.wait(30))) for _ in range(5)]
        await asyncio.sleep(0)
        may_end.set()
        return [type(came).__name__ for came in await asyncio.gather(*asked, return_exceptions=True)]

    assert asyncio.run(crowd()) == ["bool"] * 3 + [PoolFullError.__name__] * 2
    assert asyncio.run(pool.run(lambda: 1)) == 1
    pool.close()
