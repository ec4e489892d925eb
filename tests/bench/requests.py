"""The requests that the bench sends. Each run of twelve `#` becomes a number of its own (`tests.bench.load`)."""

from collections.abc import Iterable, Sequence
from typing import Final

from tests.bench.load import NUMBER, request_bytes

EVENTS_PER_BATCH: Final = 1000
BATCHES_PREPARED: Final = 8
SHAPES: Final = 97
PATHS: Final = ("/v1/widgets", "/v1/widgets/{id}", "/v1/orders", "/v1/search")


def event_json(id_: str, number: int, *, tenant: str = "", more: str = "") -> str:
    """Return one event of some 180 bytes, as a gateway would send it."""
    named = f'"tenant":"{tenant}",' if tenant else ""
    properties = (
        f'{{"method":"GET","path":"{PATHS[number % 4]}","status":{200 if number % 20 else 404},'
        f'"response_length":{number % 4096}}}'
    )
    return (
        f'{{"id":"{id_}",{named}{more}"type":"http_request","subject":"user-{number % 97}","properties":{properties}}}'
    )


def single_events(keys: Sequence[str], tag: str) -> list[bytes]:
    """Return requests of one new event each."""
    return _one_each("/api/v1/events", keys, tag)


def authorizations(keys: Sequence[str], tag: str, *, is_recorded: bool = True) -> list[bytes]:
    """Return requests that authorize a new event each, or only ask."""
    return _one_each("/api/v1/authorize", keys, tag, more="" if is_recorded else '"record":false,')


def reservations(keys: Sequence[str], tag: str) -> list[bytes]:
    """Return requests that reserve quota for a new event each."""
    return _one_each("/api/v1/reservations", keys, tag)


def forwarded(keys: Sequence[str], tag: str) -> list[bytes]:
    """Return what a gateway asks before each request that it forwards."""
    return [
        request_bytes(
            "GET",
            "/api/v1/authorize/forward",
            key=keys[number % len(keys)],
            headers={
                "X-Original-URI": PATHS[number % 4],
                "X-Original-Method": "GET",
                "X-Request-ID": f"{tag}-{NUMBER}",
            },
        )
        for number in range(max(SHAPES, len(keys)))
    ]


def batches(key: str, tag: str, *, tenants: Sequence[str] = (), tenants_a_batch: int = 1) -> list[bytes]:
    """Return batches of new events; with a service key they name so many tenants each."""
    requests = []
    count = max(BATCHES_PREPARED, len(tenants) // tenants_a_batch)
    for batch in range(count):
        named = (
            [tenants[(batch * tenants_a_batch + n) % len(tenants)] for n in range(tenants_a_batch)] if tenants else []
        )
        events = (
            event_json(f"{tag}-{NUMBER}", n, tenant=named[n % tenants_a_batch] if named else "")
            for n in range(EVENTS_PER_BATCH)
        )
        body = f'{{"events":[{",".join(events)}]}}'.encode()
        requests.append(request_bytes("POST", "/api/v1/events", body, key))
    return requests


def views(path: str, keys: Iterable[str]) -> list[bytes]:
    """Return requests to a view of an adopter's."""
    return [request_bytes("GET", path, key=key) for key in keys]


def _one_each(path: str, keys: Sequence[str], tag: str, *, more: str = "") -> list[bytes]:
    return [
        request_bytes("POST", path, event_json(f"{tag}-{NUMBER}", number, more=more).encode(), keys[number % len(keys)])
        for number in range(max(SHAPES, len(keys)))
    ]
