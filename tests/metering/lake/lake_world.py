"""Events of access logs for tests of SQL and of the lake."""

from datetime import UTC, datetime
from typing import Any

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
PROPERTIES = {
    "ip": "192.0.2.1",
    "user": "ada",
    "http_method": "GET",
    "resource_path": "/v1/items",
    "status": 200,
    "protocol": "HTTP/1.1",
    "response_length": 512,
}


def request_event(event_id: str, at: datetime, **properties: Any) -> dict[str, Any]:
    return {
        "id": event_id,
        "type": "http_request",
        "timestamp": at.isoformat().replace("+00:00", "Z"),
        "properties": PROPERTIES | properties,
    }
