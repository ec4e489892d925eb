"""`docs/connect.md`, by the letter: who does what it says has an event in the end, whichever way it is."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import pytest
from django.core.management import call_command

from accounts.domain.scopes import Scope
from portal.connect_page import CLOSING, PAGE, Block, Section, filled_in, sections_of
from tests.bench.rig import await_listener, free_port
from tests.clients.mortal_server import MortalServer
from tests.clients.sources import NODE
from tests.metering.ledger_world import make_key, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
NEEDS = {"JavaScript": NODE, "Express": NODE, "nginx": NGINX if Path(NGINX).exists() else ""}
LOG_LINE = '192.0.2.7 - ann [{time}] "GET /orders?page=2 HTTP/1.1" 200 512\n'
# What `npm install express` would bring, in a test without a network: enough of it for the page.
EXPRESS = """
import http from "node:http";
export default () => {
  const steps = [];
  const run = (req, res, n = 0) => steps[n]?.(req, res, () => run(req, res, n + 1));
  return {
    use: (step) => steps.push(step),
    get: (path, step) => steps.push((req, res, next) => (req.url === path ? step(req, res) : next())),
    listen: (port) => http.createServer((req, res) => {
      res.json = (value) => res.end(JSON.stringify(value));
      run(req, res);
    }).listen(port),
  };
};
"""
NGINX_AROUND = """
daemon off; user root; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 64; }}
http {{
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {block}
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello"; }} }}
}}
"""


@dataclass(frozen=True)
class Reader:
    """A person in an empty folder, who does what a section says."""

    section: Section
    folder: Path
    url: str
    secret: str
    has_npm: bool = False
    port: int = field(default_factory=free_port)

    def follow(self) -> list[dict[str, Any]]:
        """Follow all of it in order, and return the events that Countinghouse then has."""
        self.folder.mkdir()
        if self.section.title == "nginx":
            self.configure_nginx()
        elif self.section.title == "Access log":
            self.have_a_log()
        waiting = [block for block in self.section.blocks if block.code]
        while waiting:
            block = waiting.pop(0)
            if block.is_server:
                with self.running(block):
                    self.run(waiting.pop(0))
                    return self.events()
            elif block.language != "nginx":
                self.do(block)
        return self.events()

    def do(self, block: Block) -> None:
        """Save a program under the name in its first line, or run a command."""
        named = re.match(r"(?:#|//) (\S+\.\w+)\n", block.code)
        if named:
            (self.folder / named[1]).write_text(self.here(block.code) + "\n")
        else:
            assert block.language == "sh", block
            self.run(block)
        if named and named[1].endswith(".sh"):
            self.shell(f"sh {named[1]}")

    def run(self, block: Block) -> str:
        """Run a command by a shell; those of `make manage` in this process, which has them loaded."""
        commands = re.findall(r'^make manage ARGS="(.*)"$', code := self.here(block.code), re.MULTILINE)
        for command in commands:
            name, *arguments = shlex.split(Template(command).substitute(self.variables()))
            call_command(
                name, *[str(self.folder / word) if (self.folder / word).is_file() else word for word in arguments]
            )
        return "" if commands else self.shell(code)

    def here(self, code: str) -> str:
        """Return the code as it is run here: another port, smaller numbers, no network, no root."""
        code = code.replace("8100", str(self.port)).replace("/var/log/nginx", str(self.folder))
        code = code.replace("nginx -s reopen", f"{NGINX} -s reopen -c {self.folder}/nginx.conf 2>&1")
        code = code.replace("--count 10000 --tenants 20", "--count 40 --tenants 2")
        if "npm install" in code and not self.has_npm:
            place = self.folder / "node_modules" / "express"
            place.mkdir(parents=True)
            (place / "index.mjs").write_text(EXPRESS)
            (place / "package.json").write_text('{"type": "module", "exports": "./index.mjs"}')
            code = re.sub(r"\nnpm install .*", "", code)
        return code

    def shell(self, command: str) -> str:
        ran = subprocess.run(
            ["bash", "-ec", command],
            check=False,
            cwd=self.folder,
            env=self.variables(),
            text=True,
            capture_output=True,
            timeout=120,
        )
        assert ran.returncode == 0, (self.section.title, command, ran.stdout[-2000:], ran.stderr[-2000:])
        return ran.stdout

    def variables(self) -> dict[str, str]:
        """Return an environment with the page's two variables, and none of the product's own."""
        product = ("DJANGO", "DATABASE", "COUNTINGHOUSE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(product)}
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        return {**kept, "PATH": path, "COUNTINGHOUSE_URL": self.url, "COUNTINGHOUSE_API_KEY": self.secret}

    @contextmanager
    def running(self, block: Block) -> Iterator[None]:
        """Run a command that goes on, until its events have arrived."""
        command = ["bash", "-c", f"exec {self.here(block.code)}"]
        output = (self.folder / "server.log").open("w")
        with (
            output,
            subprocess.Popen(
                command, cwd=self.folder, env=self.variables(), stdout=output, stderr=output, start_new_session=True
            ) as process,
        ):
            try:
                await_listener(self.port)
                yield
            except BaseException:
                print((self.folder / "server.log").read_text()[-3000:])
                raise
            finally:
                os.killpg(process.pid, signal.SIGTERM)

    def events(self) -> list[dict[str, Any]]:
        """Wait for an event, and return what there is."""
        deadline = time.monotonic() + 30
        while True:
            request = urllib.request.Request(
                f"{self.url}/api/v1/events?limit=50", headers={"Authorization": f"Bearer {self.secret}"}
            )
            with urllib.request.urlopen(request, timeout=30) as response:
                found: list[dict[str, Any]] = json.load(response)["data"]
            if found:
                return found
            assert time.monotonic() < deadline, f"{self.section.title}: no event came"
            time.sleep(0.1)

    def configure_nginx(self) -> None:
        """Run a real nginx with the page's lines in its configuration, send it requests, and send its log."""
        [block] = [self.here(block.code) for block in self.section.blocks if block.language == "nginx"]
        conf = self.folder / "nginx.conf"
        conf.write_text(NGINX_AROUND.format(folder=self.folder, block=block, port=self.port))
        nginx = subprocess.Popen([NGINX, "-c", str(conf), "-e", str(self.folder / "error.log")])
        try:
            await_listener(self.port)
            for path in ("/orders?secret=1", "/orders", '/a"quote'):
                self.shell(f"curl -s 'http://localhost:{self.port}{path}'")
            [script] = [block for block in self.section.blocks if "send-usage.sh" in block.code]
            self.do(script)
            assert [path.name for path in self.folder.glob("usage.*.log")] == []
            self.shell(f"curl -s http://localhost:{self.port}/later")
        finally:
            nginx.terminate()
            nginx.wait(60)
        # The nginx is gone: what it logged since then is sent as a file that an earlier run left.
        (self.folder / "usage.log").rename(self.folder / "usage.1.log")

    def have_a_log(self) -> None:
        now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(time.time() - 3600))
        (self.folder / "access.log").write_text(LOG_LINE.format(time=now) * 2)
        (self.folder / "events.ndjson").write_text('{"id": "sent-1", "type": "http_request"}\n')


def paths(events: list[dict[str, Any]]) -> list[str]:
    return sorted(event["properties"].get("resource_path", "") for event in events)


# What each way must leave behind.
EXPECTED: dict[str, Callable[[list[dict[str, Any]]], bool]] = {
    "curl": lambda events: paths(events) == ["", "", "", "/orders"],
    "Python": lambda events: [event["subject"] for event in events] == ["ann"],
    "JavaScript": lambda events: [event["subject"] for event in events] == ["ann"],
    "Django": lambda events: [event["properties"]["response_length"] for event in events] == [5],
    "FastAPI": lambda events: [event["properties"]["response_length"] for event in events] == [2],
    "Flask": lambda events: [event["properties"]["response_length"] for event in events] == [3],
    "Express": lambda events: [event["properties"]["response_length"] for event in events] == [2],
    "nginx": lambda events: paths(events) == ['/a"quote', "/later", "/orders", "/orders"],
    "Access log": lambda events: paths(events) == ["", "/orders", "/orders"],
}


def readers_of(server: MortalServer, folder: Path, titles: set[str], *, has_npm: bool = False) -> list[Reader]:
    readers = []
    for section in sections_of(PAGE.read_text()):
        if section.title in titles:
            slug = section.title.lower().replace(" ", "-")
            _, secret = make_key(make_tenant(slug), scopes=[Scope.EVENTS_WRITE, Scope.USAGE_READ])
            text = filled_in(PAGE.read_text(), url=server.url, key=secret, slug=slug)
            [own] = [filled for filled in sections_of(text) if filled.title == section.title]
            readers.append(Reader(own, folder / slug, server.url, secret, has_npm))
    return readers


@pytest.mark.takes_long("it starts a web server, and four applications that connect to it")
def test_who_follows_the_page_has_an_event_in_the_end(server: MortalServer, tmp_path: Path) -> None:
    assert EXPECTED.keys() | {CLOSING} == {section.title for section in sections_of(PAGE.read_text())[1:]}
    missing = {title for title, program in NEEDS.items() if not program}
    for title in sorted(missing):
        print(f"Not followed: {title}, since its program is not installed here.")
    readers = readers_of(server, tmp_path, EXPECTED.keys() - missing)
    commands = readers.pop()  # of this process, so in this thread
    assert EXPECTED["Access log"](commands.follow())
    with ThreadPoolExecutor(3) as pool:
        for reader, events in zip(readers, pool.map(Reader.follow, readers), strict=True):
            assert EXPECTED[reader.section.title](events), (reader.section.title, events)
    [closing] = [section for section in sections_of(PAGE.read_text()) if section.title == CLOSING]
    [check] = [block for block in closing.blocks if block.code]
    shown = readers[0].run(check)
    assert '"type":"http_request"' in shown
    assert '"meter":"api_requests"' in shown


@pytest.mark.soak
def test_the_page_for_express_works_with_express_itself(server: MortalServer, tmp_path: Path) -> None:
    [reader] = readers_of(server, tmp_path, {"Express"}, has_npm=True)
    assert [event["properties"]["resource_path"] for event in reader.follow()] == ["/orders"]
