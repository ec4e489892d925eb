// `docs/clients/countinghouse.mjs`: nothing is lost, nothing is counted twice, nothing is silent.
// `tests/clients/test_countinghouse_mjs.py` runs this file.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { gunzipSync } from "node:zlib";

const SOURCE = new URL("../../docs/clients/countinghouse.mjs", import.meta.url);
const { Client, SpoolFullError, express } = await import(SOURCE);

let server, url, spool, batches, stored, script, refuse, clients;

beforeEach(async () => {
  [batches, stored, script, refuse, clients] = [[], new Map(), [], () => "", []];
  spool = fs.mkdtempSync(path.join(os.tmpdir(), "spool-"));
  server = http.createServer(async (req, res) => {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    const { events } = JSON.parse(gunzipSync(Buffer.concat(chunks)));
    batches.push(events.map((event) => event.id));
    const scripted = script.shift();
    if (scripted?.status === 0) stored.set(events[0].id, events[0]);
    if (scripted?.status === 0) return req.socket.destroy();
    if (scripted) return res.writeHead(scripted.status, scripted.headers).end("{}");
    if (events.length > 3 && refuse("large")) return res.writeHead(413).end("{}");
    const results = [];
    let duplicates = 0;
    events.forEach((event, index) => {
      const code = refuse(event);
      if (code) results.push({ index, id: event.id, code, detail: "No." });
      else if (stored.has(event.id)) duplicates += 1;
      else stored.set(event.id, event);
    });
    const accepted = events.length - results.length - duplicates;
    const status = results.length === events.length ? 422 : 200;
    res.writeHead(status).end(JSON.stringify({ accepted, duplicates, rejected: results.length, results }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${server.address().port}`;
});

afterEach(async () => {
  for (const client of clients) await client.close(0);
  server.closeAllConnections();
  server.close();
  fs.rmSync(spool, { recursive: true });
});

function open(options = {}) {
  clients.push(new Client(url, "ch_test_x", { spool, flushMs: 10, log: () => {}, ...options }));
  return clients.at(-1);
}

async function awaitThat(condition) {
  for (const deadline = Date.now() + 20_000; !condition(); ) {
    assert.ok(Date.now() < deadline, "waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("what is recorded is sent in batches, and the files are gone at the end", async () => {
  const client = open({ flushMs: 30_000 });
  const ids = Array.from({ length: 1200 }, () => client.record("http_request", { subject: "ann" }));
  assert.ok(await client.close(20_000));
  assert.deepEqual([...stored.keys()], ids);
  assert.equal(Math.max(...batches.map((batch) => batch.length)), 500);
  assert.equal(stored.get(ids[0]).subject, "ann");
  assert.deepEqual(client.counts, { recorded: 1200, accepted: 1200, duplicates: 0, rejected: 0, failures: 0 });
  await awaitThat(() => fs.readdirSync(spool).length === 0);
  assert.throws(() => client.record(), /closed/);
});

test("closing waits for a slow disk, so that no file is left of what was sent", async (t) => {
  const force = fs.fsync;
  fs.fsync = (descriptor, done) => setTimeout(() => force(descriptor, done), 500);
  t.after(() => (fs.fsync = force));
  const { Client: ClientOfSlowDisk } = await import(`${SOURCE}?slow`);
  const client = new ClientOfSlowDisk(url, "ch_test_x", { spool, flushMs: 10, fsyncMs: 1, log: () => {} });
  client.record();
  assert.ok(await client.close(20_000));
  assert.deepEqual(fs.readdirSync(spool), []);
});

test("what has no answer yet is sent again with the same ids, after Retry-After", async () => {
  script = [{ status: 0 }, { status: 503, headers: { "Retry-After": "1" } }];
  const client = open();
  const id = client.record();
  const started = Date.now();
  assert.ok(await client.flush());
  assert.deepEqual(batches, [[id], [id], [id]]);
  assert.ok(Date.now() - started >= 1000);
  assert.deepEqual([client.counts.failures, client.counts.duplicates], [2, 1]);
});

test("refused events are told and kept, and the others are stored", async () => {
  const told = [];
  refuse = (event) => (event.type === "nonesuch" ? "unknown_event_type" : "");
  const client = open({ onRejected: (event, code) => told.push([event.id, code]) });
  for (let n = 0; n < 6; n += 1) client.record(n % 3 ? "http_request" : "nonesuch", { id: String(n) });
  assert.ok(await client.flush());
  client.record("nonesuch", { id: "alone" });
  assert.ok(await client.flush());
  const expected = ["0", "3", "alone"].map((id) => [id, "unknown_event_type"]);
  assert.deepEqual(told, expected);
  const kept = fs.readFileSync(path.join(spool, "rejected.jsonl"), "utf8").trim().split("\n").map(JSON.parse);
  assert.deepEqual(kept.map((row) => [row.event.id, row.code]), expected);
  assert.deepEqual([...stored.keys()].sort(), ["1", "2", "4", "5"]);
});

test("a batch that is too large is halved", async () => {
  refuse = (event) => event === "large";
  const client = open({ flushMs: 200 });
  const ids = Array.from({ length: 10 }, () => client.record());
  assert.ok(await client.flush());
  assert.deepEqual([...stored.keys()].sort(), [...ids].sort());
});

test("what cannot be kept is refused at once", async () => {
  script = Array(100).fill({ status: 503 });
  const client = open({ spoolBytesMax: 1000 });
  const ids = [];
  assert.throws(() => {
    for (let n = 0; n < 20; n += 1) ids.push(client.record());
  }, SpoolFullError);
  assert.ok(ids.length >= 5);
  assert.throws(() => client.record("t", { subject: "x".repeat(70_000) }), RangeError);
  script = [];
  assert.ok(await client.flush());
  assert.deepEqual([...stored.keys()].sort(), [...ids].sort());
});

const KILLED = `
const { Client } = await import("${SOURCE}");
const client = new Client("http://127.0.0.1:9", "ch_test_x", { spool: process.argv[1], log: () => {} });
for (let n = 0; n < 300; n += 1) client.record("http_request", { id: "e" + n });
console.log("recorded");
setInterval(() => {}, 1000);
`;

async function recording() {
  const child = spawn(process.execPath, ["--input-type=module", "-e", KILLED, spool], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

test("a killed process loses nothing, and the next one sends it", async () => {
  const child = await recording();
  const beside = open();
  beside.record("http_request", { id: "mine" });
  assert.ok(await beside.close());
  assert.deepEqual([...stored.keys()], ["mine"]); // the other lives: its file is left to it
  child.kill("SIGKILL");
  await once(child, "exit");
  const file = fs.readdirSync(spool).find((name) => name.endsWith(".events"));
  fs.appendFileSync(path.join(spool, file), '{"id": "half a li');
  const client = open();
  await awaitThat(() => stored.size === 301);
  assert.ok(await client.flush());
  assert.equal(client.counts.rejected, 0);
});

test("a process that slept for long leaves its file to the one that took it", async () => {
  const sleeper = open({ flushMs: 60_000, orphanAfterMs: 600 });
  sleeper.record("http_request", { id: "before" });
  const [file] = fs.readdirSync(spool).filter((name) => name.endsWith(".events"));
  fs.utimesSync(path.join(spool, file.replace(".events", ".sent")), 0, 0);
  open({ orphanAfterMs: 600 });
  await awaitThat(() => stored.has("before"));
  await awaitThat(() => !fs.existsSync(path.join(spool, file)));
  await new Promise((resolve) => setTimeout(resolve, 400));
  sleeper.record("http_request", { id: "after" });
  assert.ok(await sleeper.flush());
  assert.deepEqual([...stored.keys()].sort(), ["after", "before"]);
});

test("a process that has nothing else to do sends all before it ends", async () => {
  const code = `const { Client } = await import("${SOURCE}");
    new Client("${url}", "k", { spool: "${spool}", flushMs: 60000 }).record("http_request", { id: "last" });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: "inherit" });
  assert.deepEqual(await once(child, "exit"), [0, null]);
  assert.deepEqual([...stored.keys()], ["last"]);
});

test("each response of an application is one event", async () => {
  const client = open();
  const meter = express(client, (req, event) => (req.url.startsWith("/health") ? null : { ...event, subject: "ann" }));
  const api = http.createServer((req, res) => {
    meter(req, res, () => {
      if (req.url === "/stream") {
        res.write("é");
        res.write("é", "latin1");
        return res.end(Buffer.from("four"));
      }
      if (req.url === "/cut") return req.socket.destroy();
      return res.writeHead(req.url === "/missing" ? 404 : 200).end("hello");
    });
  });
  api.listen(0, "127.0.0.1");
  await once(api, "listening");
  const at = `http://127.0.0.1:${api.address().port}`;
  for (const [method, target] of [["GET", "/a?secret=1"], ["GET", "/health"], ["HEAD", "/a"], ["POST", "/missing"], ["GET", "/stream"]]) {
    await (await fetch(at + target, { method })).text();
  }
  await assert.rejects(fetch(`${at}/cut`));
  await awaitThat(() => client.counts.recorded === 5);
  assert.ok(await client.flush());
  api.closeAllConnections();
  api.close();
  const seen = [...stored.values()].map(({ properties: p }) => [p.http_method, p.resource_path, p.status, p.response_length]);
  assert.deepEqual(seen, [
    ["GET", "/a", 200, 5], ["HEAD", "/a", 200, 0], ["POST", "/missing", 404, 5], ["GET", "/stream", 200, 7], ["GET", "/cut", 200, 0],
  ]);
  assert.ok([...stored.values()].every((event) => event.subject === "ann" && event.type === "http_request"));
});
