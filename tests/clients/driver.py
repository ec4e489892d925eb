"""An adopter's program that uses `docs/clients/`: `python driver.py KIND COUNT PER_SECOND`.

It causes so many events, each with a path of its own (`/n/0`, `/n/1` …), waits until all are answered, and prints
its counts as JSON. `tests/clients/driver.mjs` is the same for Node.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import countinghouse  # type: ignore[import-not-found]  # of docs/clients
import countinghouse_web  # type: ignore[import-not-found]  # of docs/clients
import django
import flask
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from fastapi import FastAPI


def direct(client: Any) -> Callable[[str], object]:
    return lambda target: client.record("http_request", properties={"resource_path": target, "response_length": 5})


def with_django(_: Any) -> Callable[[str], object]:
    def answer(request: HttpRequest, number: int) -> HttpResponse:
        return HttpResponse(b"hello")

    settings.configure(
        SECRET_KEY="x", ROOT_URLCONF=(path("n/<int:number>", answer),), ALLOWED_HOSTS=["testserver"],
        MIDDLEWARE=["countinghouse_web.DjangoMiddleware"],
    )  # fmt: skip
    django.setup()
    get_wsgi_application()
    return Client().get


def with_flask(_: Any) -> Callable[[str], object]:
    app = flask.Flask("shop")
    app.add_url_rule("/n/<int:number>", view_func=lambda number: f"hello {number}", endpoint="n")
    app.wsgi_app = countinghouse_web.WsgiMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    client = app.test_client()
    return lambda target: client.get(target, buffered=True).close()


def with_fastapi(_: Any) -> Callable[[str], object]:
    app = FastAPI()
    app.add_middleware(countinghouse_web.AsgiMiddleware)

    @app.get("/n/{number}")
    async def answer(number: int) -> str:
        return "abc"

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None:
        pass

    def ask(target: str) -> None:
        scope = {"type": "http", "method": "GET", "path": target, "query_string": b"", "headers": [], "scheme": "http"}
        asyncio.run(app({**scope, "raw_path": target.encode(), "http_version": "1.1"}, receive, send))

    return ask


KINDS = {"python": direct, "django": with_django, "flask": with_flask, "fastapi": with_fastapi}


def paced(count: int, per_second: int) -> Iterator[int]:
    """Yield the numbers, not too fast to be killed in between."""
    started = time.monotonic()
    for number in range(count):
        ahead = number / per_second - (time.monotonic() - started)
        if ahead > 0:
            time.sleep(ahead)
        yield number


def main(kind: str, count: int, per_second: int) -> None:
    logging.basicConfig(level=logging.CRITICAL)
    client = countinghouse.Client.from_environment(flush_seconds=0.1)
    countinghouse_web._client.append(client)
    call = KINDS[kind](client)
    for number in paced(count, per_second):
        call(f"/n/{number}")
    assert client.close(300), client.last_failure
    print(json.dumps(client.counts))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
