"""One request to /v1/: its authentication, its idempotency, its response."""

import base64
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from config.workbench.fakestripe.errors import Json, StripeError
from config.workbench.fakestripe.parameters import decode
from config.workbench.fakestripe.rendering import render
from config.workbench.fakestripe.routes import dispatch
from config.workbench.fakestripe.store import API_VERSION, Store
from config.workbench.faults import Fault, Faults

KEY = re.compile(r"(sk|rk)_test_[A-Za-z0-9]{24,}")
REQUESTS_KEPT_MAX = 5_000
TRY_ANOTHER = "Try using a key other than '{key}' if you meant to execute a different request."
OTHER_ENDPOINT = (
    "Keys for idempotent requests can only be used for the same endpoint they were first used for ('/v1/{path}'). "
    + TRY_ANOTHER
)
OTHER_PARAMETERS = (
    "Keys for idempotent requests can only be used with the same parameters they were first used with. " + TRY_ANOTHER
)
NO_KEY = (
    "You did not provide an API key. You need to provide your API key in the Authorization header, "
    "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
)


class Answer:
    """The status, headers and body of a response."""

    def __init__(self, status: int, body: Json, **headers: str) -> None:
        self.status = status
        self.body = body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Api:
    """The calls of /v1/, with the failures that a test has planned."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.faults = Faults()
        self.reset()

    def reset(self) -> None:
        self.requests: list[Json] = []
        self.faults.reset()
        self.latency_seconds = 0.0

    def respond(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """Respond to a call, or return None if the connection is to drop."""
        request_id = "req_" + secrets.token_hex(8)
        fault = self.faults.next(method, f"/v1/{path}")
        with self.store.lock:
            answer = self._respond(method, path, query, headers, body, request_id=request_id, fault=fault)
            self.store.commit()
        if fault is not None:
            self.faults.wait(fault)
        if answer is not None:
            answer.headers |= {"Request-Id": request_id, "Stripe-Version": _version(headers)}
            if answer.status >= 400:
                answer.headers["Stripe-Should-Retry"] = (
                    "true" if answer.status in {409, 429} or answer.status >= 500 else "false"
                )
        return answer

    def _respond(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        request_id: str,
        fault: Fault | None,
    ) -> Answer | None:
        try:
            authenticate(headers.get("authorization", ""))
            parameters = decode("&".join(filter(None, [query, body.decode()])))
            key = headers.get("idempotency-key") if method == "POST" else None
            self._note(method, path, parameters, headers, key)
            if fault is not None and not fault.is_after:
                return _failed(fault)
            self.store.request = {"id": request_id, "idempotency_key": key}
            answer = self._once(method, path, parameters, key)
        except StripeError as error:
            return Answer(error.status, error.body)
        except UnicodeDecodeError:
            return Answer(400, StripeError("Invalid request: the body is not UTF-8.").body)
        return _failed(fault) if fault is not None else answer

    def _once(self, method: str, path: str, parameters: Json, key: str | None) -> Answer:
        """Run the call, or replay the response of the same key."""
        known = self.store.objects["_idempotency"].get(key) if key else None
        content = json.dumps(parameters, sort_keys=True)
        if known is not None:
            if known["path"] != path:
                message = OTHER_ENDPOINT.format(path=known["path"], key=key)
                raise StripeError(message, kind="idempotency_error")
            if known["content"] != content:
                message = OTHER_PARAMETERS.format(key=key)
                raise StripeError(message, kind="idempotency_error")
            return Answer(known["status"], known["body"], Idempotent_Replayed="true", Idempotency_Key=str(key))
        answer = self._run(method, path, parameters)
        # As at Stripe, a request that was refused before it began is not stored: its key may be used again.
        if key and answer.status in {200, 402}:
            item = {"id": key, "object": "_idempotency", "created": self.store.now(), "path": path, "content": content}
            self.store.put("_idempotency", item | {"status": answer.status, "body": answer.body})
        return answer

    def _run(self, method: str, path: str, parameters: Json) -> Answer:
        try:
            result = dispatch(self.store, method, path, parameters)
            body = _shown(self.store, result, parameters.get("expand") or [])
            status = 200
        except StripeError as error:
            body, status = error.body, error.status
        afterwards, self.store.afterwards = self.store.afterwards, []
        for action in afterwards:
            action()
        return Answer(status, body)

    def _note(self, method: str, path: str, parameters: Json, headers: Mapping[str, str], key: str | None) -> None:
        version = headers.get("stripe-version")
        entry = {"method": method, "path": f"/v1/{path}", "parameters": parameters, "version": version}
        self.requests.append(entry | {"idempotency_key": key})
        del self.requests[:-REQUESTS_KEPT_MAX]


def authenticate(header: str) -> None:
    """Accept a test key as bearer token or as the user of basic authentication."""
    scheme, _, value = header.partition(" ")
    if scheme == "Basic":
        try:
            value = base64.b64decode(value, validate=True).decode().split(":")[0]
        except ValueError:
            value = ""
    if not value:
        message = NO_KEY
        raise StripeError(message, status=401)
    if not KEY.fullmatch(value):
        shown = value[:8] + "*" * 8 + value[-4:]
        raise StripeError(f"Invalid API Key provided: {shown}", status=401)


def _version(headers: Mapping[str, str]) -> str:
    return headers.get("stripe-version") or API_VERSION


def _failed(fault: Fault) -> Answer | None:
    if fault.status <= 0:
        return None
    kind = {429: "rate_limit_error"}.get(fault.status, "api_error" if fault.status >= 500 else "invalid_request_error")
    return Answer(fault.status, StripeError(fault.message, status=fault.status, kind=kind, code=fault.code).body)


def _shown(store: Store, result: Json, expand: Any) -> Json:
    """Return the result with the requested expansions; in a list, of each element."""
    if result.get("object") == "list":
        inner = [path.removeprefix("data.") for path in expand if path.startswith("data.")]
        return result | {"data": [_shown(store, item, inner) for item in result["data"]]}
    if result.get("deleted") or "id" not in result:
        return result
    return render(store, result, expand)
