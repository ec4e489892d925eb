"""Bodies of the OpenAPI document's calls as a customer would send them: each is accepted, which a test tries."""

from collections.abc import Mapping
from typing import Any, Final

_EVENT: Final = {
    "id": "order-4711",
    "type": "http_request",
    "subject": "user-42",
    "properties": {"resource_path": "/v1/orders", "http_method": "POST", "status": 201},
}
_SPAN: Final = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-08T00:00:00Z"}
# By the operation's id.
EXAMPLES: Final[Mapping[str, object]] = {
    "report_events": _EVENT,
    "report_access_logs": {
        "records": [
            {
                "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
                "ip": "192.0.2.7",
                "http_method": "GET",
                "resource_path": "/v1/orders",
                "status": 200,
                "protocol": "HTTP/1.1",
                "response_length": 1270,
            }
        ]
    },
    "void_event": {"reason": "Sent twice by a retry without an id"},
    "authorize_request": _EVENT | {"id": "order-4712"},
    "create_reservation": {"type": "http_request", "quantity": 5, "subject": "user-42", "expires_in": 300},
    "commit_reservation": {"quantity": 3},
    "release_reservation": {},
    "run_usage_sql": {"query": "SELECT type, count(*) AS events FROM events GROUP BY type ORDER BY events DESC"},
    "preview_subscription": {"plan": "scale", "at": "period_end"},
    "create_alert_threshold": {"meter": "api_requests", "quota_period": "month", "threshold": 50},
    "create_budget": {"scope": "tenant", "meter": "api_requests", "limit": "10000", "period": "month", "stop": True},
    "update_budget": {"limit": "20000"},
    "create_api_key": {"name": "Production", "scopes": ["events:write", "usage:read"]},
    "rotate_api_key": {"grace_seconds": 86400},
    "create_embed_token": {"shows": ["usage", "spend"], "audience": "https://app.example.com", "expires_in": 900},
    "report_leaked_keys": [
        {
            "token": "ch_live_…",
            "type": "countinghouse_api_key",
            "url": "https://example.com/file",
            "source": "content",
        }
    ],
    "create_webhook_endpoint": {
        "url": "https://example.com/webhooks/countinghouse",
        "event_types": ["invoice.finalized", "usage.threshold_reached"],
        "description": "Our accounts",
    },
    "update_webhook_endpoint": {"status": "paused"},
    "replay_webhook_deliveries": _SPAN | {"only": "failed"},
    "rotate_webhook_secret": {"grace_seconds": 86400},
    "create_demo_data": {"message": "hello"},
}


def add_examples(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the bodies to the finished document. A hook of drf-spectacular, which passes more than this."""
    for methods in result["paths"].values():
        for operation in methods.values():
            if operation["operationId"] in EXAMPLES:
                content = operation["requestBody"]["content"]
                content["application/json"]["example"] = EXAMPLES[operation["operationId"]]
    return result
