"""`deploy/gateways/nginx.conf` in a real nginx, before a real API: what passes is counted, what is refused is not."""

import http.client
import json
import runpy
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from accounts.domain.scopes import Scope
from accounts.models import Tenant
from metering.models import Event
from metering.services.reconciliation import reconcile
from tests.bench.rig import CHECKOUT, await_listener, free_port
from tests.metering.ledger_world import ledger_of, make_key, make_tenant
from tests.metering.services.limits.limit_world import put_on_plan, quota_of
from tests.security.web import web_server

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.takes_long("it starts a web server, an nginx and an API behind it"),
    pytest.mark.skipif(not Path(NGINX).exists(), reason="there is no nginx here (Debian: apt-get install nginx-light)"),
]
QUOTA = 10
MAIN = """
daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log warn;
events {{ worker_connections 256; }}
http {{
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  include {place}/gateway.conf;
}}
"""


@dataclass
class Upstream:
    """The API behind the gateway, which notes what reaches it."""

    port: int
    reached: list[Mapping[str, str]] = field(default_factory=list)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            noted.reached.append({"path": self.path, **dict(self.headers)})
            body = b'{"message": "reached"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    noted = Upstream(server.server_address[1])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield noted
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Gateway:
    """The gateway, a tenant with ten requests a month, and its key."""

    port: int
    asked_port: int
    place: Path
    tenant: Tenant
    secret: str

    def ask(self, path: str, **headers: str) -> tuple[int, Mapping[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as line:
            line.request("GET", path, headers={"Authorization": f"Bearer {self.secret}"} | named)
            answer = line.getresponse()
            answer.read()
            return answer.status, dict(answer.headers)


@pytest.fixture
def gateway(
    process_environment: Mapping[str, str], settings: Settings, upstream: Upstream, tmp_path: Path
) -> Iterator[Gateway]:
    settings.REDIS_URL = ""
    tenant = make_tenant("acme")
    put_on_plan(tenant, timezone.now(), quota_of(str(QUOTA)))
    _, secret = make_key(tenant, scopes=[Scope.EVENTS_WRITE])
    port = free_port()
    with web_server({**process_environment, "REDIS_URL": "", "TRUSTED_PROXY_COUNT": "1"}) as server:
        replaced = {
            "server 127.0.0.1:8000": f"server localhost:{server.port}",
            "server 127.0.0.1:9000": f"server 127.0.0.1:{upstream.port}",
            "listen 8080": f"listen 127.0.0.1:{port}",
            "/var/log/nginx/countinghouse.log": f"{tmp_path}/access.log",
        }
        text = (CHECKOUT / "deploy/gateways/nginx.conf").read_text()
        for ours, theirs in replaced.items():
            assert ours in text
            text = text.replace(ours, theirs)
        (tmp_path / "gateway.conf").write_text(text)
        (tmp_path / "nginx.conf").write_text(MAIN.format(place=tmp_path))
        tmp_path.chmod(0o755)
        process = subprocess.Popen([NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
        try:
            await_listener(port)
            yield Gateway(port, server.port, tmp_path, tenant, secret)
        finally:
            process.terminate()
            process.wait(30)


def test_of_eleven_requests_ten_reach_the_api_and_usage_is_what_reached_it(
    gateway: Gateway, upstream: Upstream
) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: gateway.ask(f"/orders/{number}?token=secret"), range(11)))
    statuses = Counter(status for status, _ in answers)
    rows = Event.objects.of_ledger(gateway.tenant.pk, is_live=True)

    assert statuses == {200: QUOTA, 429: 1}
    assert len(upstream.reached) == rows.count() == QUOTA
    paths = {request["path"].partition("?")[0] for request in upstream.reached}
    assert {row.properties["resource_path"] for row in rows} == paths
    assert {request["X-Request-ID"] for request in upstream.reached} == {row.event_id for row in rows}
    refused = next(headers for status, headers in answers if status == 429)
    assert int(refused["Retry-After"]) >= 1
    assert '"quota";r=0' in refused["RateLimit"]
    assert all("RateLimit" in headers for _, headers in answers)

    # What the gateway logged is imported as well, and counts nothing twice.
    log = gateway.place / "access.log"
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(logged) == QUOTA
    with pytest.raises(SystemExit):  # each line has the id of an event with other content: said, and not counted
        call_command("import_access_log", str(log), "--tenant", "acme")
    assert rows.count() == QUOTA
    assert reconcile(ledgers=[ledger_of(gateway.tenant)]).is_clean


def test_a_client_cannot_pass_by_smuggling_headers(gateway: Gateway, upstream: Upstream) -> None:
    status, _ = gateway.ask(
        "/real",
        X_Original_URI="/cheap",
        X_Forwarded_Uri="/cheap",
        X_Original_Method="HEAD",
        X_Tenant="rival",
        X_Plan="free",
        X_Api_Key_Id="forged",
        X_Request_ID="chosen",
    )
    [event] = Event.objects.of_ledger(gateway.tenant.pk, is_live=True)
    [reached] = upstream.reached

    assert status == 200
    assert event.properties == {"http_method": "GET", "resource_path": "/real"}
    assert event.event_id != "chosen"
    assert (reached["X-Tenant"], reached["X-Api-Key-Id"]) == ("acme", str(event.api_key_id))
    assert reached["X-Plan"] != "free"
    assert "Authorization" not in reached
    assert gateway.ask("/real", Authorization="Bearer nonsense")[0] == 401
    assert gateway.ask("/real", Authorization="")[0] == 401
    assert len(upstream.reached) == 1


def test_the_lambda_authorizer_lets_through_what_may_pass_and_says_why_not(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTINGHOUSE_URL", f"http://localhost:{gateway.asked_port}")
    handler = runpy.run_path(str(CHECKOUT / "deploy/gateways/aws/authorizer.py"))["handler"]

    def asked(number: int, secret: str = gateway.secret) -> Any:
        request = {"http": {"method": "GET", "sourceIp": "203.0.113.9"}, "requestId": f"aws-{number}"}
        return handler(
            {"headers": {"authorization": f"Bearer {secret}"}, "rawPath": "/orders", "requestContext": request}, None
        )

    passed = asked(0)
    assert (passed["isAuthorized"], passed["context"]["tenant"]) == (True, "acme")
    assert asked(1, "nonsense") == {"isAuthorized": False, "context": {"code": "invalid_api_key"}}
    assert all(asked(number)["isAuthorized"] for number in range(2, QUOTA + 1))
    assert asked(QUOTA + 1) == {"isAuthorized": False, "context": {"code": "quota_exceeded"}}
    rows = Event.objects.of_ledger(gateway.tenant.pk, is_live=True)
    assert rows.count() == QUOTA
    assert rows.get(event_id="aws-0").properties == {"http_method": "GET", "resource_path": "/orders"}
