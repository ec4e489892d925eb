"""Two pools of threads per process: one for the API, one for pages. Neither waits for the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

API_PREFIXES: Final = ("/api/v1/", "/webhooks/", "/healthz", "/readyz")
# Calls of the operator that run a whole job: they wait with the pages, and delay no event.
JOB_PREFIXES: Final = ("/api/v1/operator/", "/api/v1/usage/sql")

Result = TypeVar("Result")


class PoolFullError(Exception):
    """Too many requests already wait for a thread of the pool."""


class Pool:
    """Threads, and a bounded queue for them."""

    def __init__(self, name: str, *, threads: int, waiting_max: int) -> None:
        """Configure the pool. A thread starts when it is first needed, and then stays with its database connection."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threads + waiting_max

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run the work in a thread. Raises `PoolFullError`."""
        if self._room <= 0:
            raise PoolFullError
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._room += 1

    def close(self) -> None:
        """Finish the work in progress."""
        self._executor.shutdown()


class Pools:
    """The pool of each path."""

    def __init__(self, *, api: Pool, pages: Pool) -> None:
        self.api = api
        self.pages = pages

    def of_path(self, path: str) -> Pool:
        """Return the API's pool for the paths that programs call, else that of pages."""
        is_api = path.startswith(API_PREFIXES) and not path.startswith(JOB_PREFIXES)
        return self.api if is_api else self.pages

    def close(self) -> None:
        """Finish the work in progress."""
        self.api.close()
        self.pages.close()
