"""AWS API Gateway: a Lambda authorizer (payload format 2.0, simple responses) that asks Countinghouse.

Python 3.12, no packages; COUNTINGHOUSE_URL is the address of Countinghouse. Turn caching of the authorizer off: each
request is counted. API Gateway makes a 403 of every refusal; the reason is in the context, as `code`.
"""

import http
import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

URL = urlsplit(os.environ["COUNTINGHOUSE_URL"])
LINE = http.client.HTTPSConnection if URL.scheme == "https" else http.client.HTTPConnection


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return whether the request may pass, and for the integration who calls: tenant, key and plan."""
    sent, request = event.get("headers") or {}, event["requestContext"]
    headers = {name: sent[name] for name in ("authorization", "x-api-key") if name in sent}
    headers["X-Original-URI"] = event["rawPath"]
    headers["X-Original-Method"] = request["http"]["method"]
    headers["X-Forwarded-For"] = request["http"]["sourceIp"]
    headers["X-Request-ID"] = request["requestId"]  # as in the log: counted once, whichever reports it first
    line = LINE(URL.netloc, timeout=5)
    try:
        line.request("GET", URL.path.rstrip("/") + "/api/v1/authorize/forward", headers=headers)
        answer = line.getresponse()
        body = answer.read()
    except OSError:
        return {"isAuthorized": False, "context": {"code": "store_unavailable"}}
    finally:
        line.close()
    if answer.status != http.HTTPStatus.NO_CONTENT:
        return {"isAuthorized": False, "context": {"code": json.loads(body)["code"]}}
    names = {"tenant": "X-Tenant", "apiKeyId": "X-Api-Key-Id", "plan": "X-Plan"}
    return {"isAuthorized": True, "context": {key: answer.headers.get(name, "") for key, name in names.items()}}
