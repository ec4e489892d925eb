/**
 * Send usage events to Countinghouse, each counted once, whatever dies on the way. Copy this file into your project.
 *
 * It needs Node 18 or newer and nothing else. `docs/clients/README.md` says what you may rely on.
 *
 *   import { Client, express } from "./countinghouse.mjs";
 *   const client = new Client("https://billing.example.com", "ch_live_...", { spool: "/var/lib/myapi/usage" });
 *   client.record("http_request", { properties: { resource_path: "/v1/orders", status: 200 } });
 *
 * `express(client)` is a middleware that records each response.
 */

import { randomBytes, randomUUID } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

const EVENT_BYTES_MAX = 64 * 1024;
const BATCH_EVENTS_MAX = 500;
const BATCH_BYTES_MAX = 2 * 1024 * 1024;
const SEGMENT_BYTES_MAX = 4 * 1024 * 1024;
const REJECTED_BYTES_MAX = 16 * 1024 * 1024;
const BACKOFF_MS = [500, 60_000];
const ADOPT_EVERY_MS = 30_000;
const EXIT_MS = 5_000;
const NEWLINE = 10;
const packed = promisify(gzip);
const fsync = promisify(fs.fsync);

/** The event cannot be kept: the spool has reached its size, or the disk is full. */
export class SpoolFullError extends Error {}

/** No answer, or one that says: later. */
class RetryError extends Error {
  constructor(reason, afterMs = 0) {
    super(reason);
    this.afterMs = afterMs;
  }
}

/**
 * Keeps events in files of the folder `spool`, and sends them from there in batches.
 *
 * `record` returns once the event is in the file, so a killed process loses nothing: the next client with this folder
 * sends what is left. The file is forced to disk each `fsyncMs`; with 0 by each `record`, so that not even a power cut
 * loses an event. Memory holds one batch at most. While `spoolBytesMax` wait, `record` throws `SpoolFullError`.
 */
export class Client {
  /** Counts of events (recorded, accepted, duplicates, rejected) and of calls that failed. */
  counts = { recorded: 0, accepted: 0, duplicates: 0, rejected: 0, failures: 0 };
  lastFailure = "";
  #call;
  #spool;
  #options;
  #wake = () => {};
  #isUrgent = false;
  #isClosed = false;
  #adoptedAt = -Infinity;
  #forcedAt = -Infinity;
  #sending;
  #atExit = () => this.flush(EXIT_MS);

  constructor(url, key, options = {}) {
    if (!/^https?:\/\/[^/]/.test(url)) {
      throw new TypeError(`The address of Countinghouse begins with http:// or https://, and is not ${url}.`);
    }
    this.#options = {
      spool: "countinghouse-spool",
      flushMs: 1000,
      fsyncMs: 1000,
      spoolBytesMax: 256 * 1024 * 1024,
      timeoutMs: 30_000,
      orphanAfterMs: 30_000,
      onRejected: () => {},
      log: (text) => console.error(`countinghouse: ${text}`),
      ...options,
    };
    this.#call = new Call(`${url.replace(/\/+$/, "")}/api/v1/events`, key, this.#options.timeoutMs);
    this.#spool = new Spool(this.#options);
    this.#sending = this.#sendUntilClosed();
    process.once("beforeExit", this.#atExit);
  }

  /** Create a client by COUNTINGHOUSE_URL, COUNTINGHOUSE_API_KEY and, if set, COUNTINGHOUSE_SPOOL. */
  static fromEnvironment(options = {}) {
    const { COUNTINGHOUSE_URL: url, COUNTINGHOUSE_API_KEY: key, COUNTINGHOUSE_SPOOL: spool } = process.env;
    if (!url || !key) throw new TypeError("Set COUNTINGHOUSE_URL and COUNTINGHOUSE_API_KEY in the environment.");
    return new Client(url, key, { ...(spool ? { spool } : {}), ...options });
  }

  /**
   * Keep one event, to be sent soon. Return its id, which is made unless you give one.
   *
   * `fields` are the API's: id, quantity, subject, properties, timestamp (by default now), tenant (service keys).
   * Throws `SpoolFullError`; `RangeError` above 64 KiB.
   */
  record(type = "http_request", fields = {}) {
    if (this.#isClosed) throw new Error("The client is closed.");
    const event = { id: randomUUID(), type, timestamp: new Date().toISOString(), ...fields };
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    if (line.length > EVENT_BYTES_MAX) throw new RangeError(`An event of ${line.length} bytes is too large.`);
    this.#spool.append(line);
    this.counts.recorded += 1;
    this.#wake();
    return String(event.id);
  }

  /** Send all that is kept now. Resolve to whether all of it was answered within the time. */
  async flush(timeoutMs = 30_000) {
    const deadline = Date.now() + timeoutMs;
    while (this.#spool.waitingBytes() > 0) {
      if (Date.now() >= deadline) return false;
      this.#isUrgent = true;
      this.#wake();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return true;
  }

  /** Send what is left, for so long at most, and stop. What could not be sent stays in the spool. */
  async close(timeoutMs = EXIT_MS) {
    const isSent = await this.flush(timeoutMs);
    this.#isClosed = true;
    process.off("beforeExit", this.#atExit);
    this.#wake();
    // With all sent, it ends after forcing a file to disk at the latest; otherwise it may wait for an answer.
    let timer;
    const grace = new Promise((resolve) => (timer = setTimeout(resolve, isSent ? EXIT_MS : 100)));
    await Promise.race([this.#sending, grace]);
    clearTimeout(timer);
    return isSent;
  }

  async #sendUntilClosed() {
    let [attempt, againAt] = [0, 0];
    while (!this.#isClosed) {
      try {
        await this.#lookAfterFiles();
        if (attempt > 0 && againAt > Date.now()) {
          const pause = againAt - Date.now();
          await this.#sleep(Math.min(pause, this.#options.fsyncMs || pause), () => false);
          continue;
        }
        if (this.#spool.waitingBytes() === 0) {
          this.#isUrgent = false;
          await this.#sleep(Math.min(ADOPT_EVERY_MS, this.#options.orphanAfterMs / 3), () => this.#spool.waitingBytes());
        } else if (attempt === 0) {
          await this.#sleep(this.#options.flushMs, () => this.#isUrgent || this.#spool.waitingBytes() >= BATCH_BYTES_MAX / 8);
        }
        await this.#sendOneBatch();
        attempt = 0;
      } catch (failure) {
        againAt = Date.now() + this.#pauseAfter(failure, attempt);
        attempt += 1;
      }
    }
    this.#spool.close();
  }

  /** Wait so long, or until the condition holds at a call of `record`, or the client is closed. Keep no process alive. */
  #sleep(ms, isEnough) {
    return new Promise((resolve) => {
      if (isEnough() || this.#isClosed) return resolve();
      const timer = setTimeout(done, ms).unref();
      const look = () => (isEnough() || this.#isClosed) && done();
      function done() {
        clearTimeout(timer);
        resolve();
      }
      this.#wake = look;
    });
  }

  /** Take over files that others left, and force ours to disk, each in its time. */
  async #lookAfterFiles() {
    const now = Date.now();
    this.#spool.showAlive(now);
    if (now - this.#adoptedAt >= Math.min(ADOPT_EVERY_MS, this.#options.orphanAfterMs / 3)) {
      this.#adoptedAt = now;
      this.#spool.adopt(now);
    }
    if (this.#options.fsyncMs > 0 && now - this.#forcedAt >= this.#options.fsyncMs) {
      this.#forcedAt = now;
      await this.#spool.force();
    }
  }

  /** Return after how many milliseconds to try again: doubled each time, at random, and not before `Retry-After`. */
  #pauseAfter(failure, attempt) {
    this.counts.failures += 1;
    if (failure.message !== this.lastFailure || attempt % 10 === 0) {
      this.#options.log(`usage events wait in the spool: ${failure.message}`);
    }
    this.lastFailure = failure.message;
    const longest = Math.min(BACKOFF_MS[1], BACKOFF_MS[0] * 2 ** Math.min(attempt, 10));
    return Math.max(failure.afterMs ?? 0, longest * (0.5 + Math.random() / 2));
  }

  async #sendOneBatch() {
    const [segment, lines, size] = this.#spool.oldest();
    if (segment === null) return;
    await this.#send(lines);
    this.#spool.done(segment, size);
    this.lastFailure = "";
  }

  /** Send lines until each is stored or refused by itself. Throws `RetryError` if that is not known yet. */
  async #send(lines) {
    const readable = lines.filter((line) => objectOf(line) !== null);
    for (const line of lines) {
      // What a power cut left of the last second.
      if (objectOf(line) === null && line.some((byte) => byte !== 0 && byte !== 32)) {
        this.#reject({ line: line.toString() }, "unreadable", "The line is no JSON.");
      }
    }
    if (readable.length === 0) return;
    const answer = await this.#call.send(readable);
    if (answer.refusal && readable.length > 1) {
      // Refused as a whole: find out whose fault it is.
      const middle = readable.length >> 1;
      await this.#send(readable.slice(0, middle));
      await this.#send(readable.slice(middle));
    } else if (answer.refusal) {
      this.#reject(JSON.parse(readable[0]), "refused", answer.refusal);
    } else {
      this.counts.accepted += answer.accepted;
      this.counts.duplicates += answer.duplicates;
      for (const { index, code, detail } of answer.results) this.#reject(JSON.parse(readable[index]), code, detail);
    }
  }

  /** Keep an event that Countinghouse will never store in `rejected.jsonl`, and tell the callback. */
  #reject(event, code, detail) {
    this.counts.rejected += 1;
    this.#spool.keepRejected({ event, code, detail, at: new Date().toISOString() });
    this.#options.log(`the event ${event.id} was refused: ${code}: ${detail}`);
    try {
      this.#options.onRejected(event, code, detail);
    } catch (error) {
      this.#options.log(`onRejected failed: ${error}`);
    }
  }
}

/** `POST /api/v1/events` with a batch. */
class Call {
  constructor(url, key, timeoutMs) {
    this.url = url;
    this.timeoutMs = timeoutMs;
    this.headers = {
      Authorization: `Bearer ${key}`,
      "Content-Type": "application/json",
      "Content-Encoding": "gzip",
    };
  }

  /** Resolve to the answer to the batch, or to `{ refusal }` if it was refused as a whole. Throws `RetryError`. */
  async send(lines) {
    const joined = lines.flatMap((line, index) => (index ? [Buffer.from(","), line] : [line]));
    const body = await packed(Buffer.concat([Buffer.from('{"events":['), ...joined, Buffer.from("]}")]), { level: 1 });
    let response, answer;
    try {
      const signal = AbortSignal.timeout(this.timeoutMs);
      response = await fetch(this.url, { method: "POST", headers: this.headers, body, redirect: "manual", signal });
      answer = objectOf(await response.text()) ?? {};
    } catch (error) {
      throw new RetryError(`${error.name}: ${error.cause?.message ?? error.message}`);
    }
    const counted = (answer.accepted ?? 0) + (answer.duplicates ?? 0) + (answer.rejected ?? 0);
    if (response.status === 200 && counted === lines.length) return answer;
    if (response.status === 422 && answer.results?.length === lines.length) {
      return { accepted: 0, duplicates: 0, results: answer.results };
    }
    const refusal = `${response.status} ${answer.code ?? ""}: ${answer.detail ?? ""}`;
    if ([400, 413, 422].includes(response.status)) return { refusal };
    // A key without rights, a wrong address: keep the events until somebody has mended it.
    const location = response.headers.get("location");
    const moved = location ? ` Use the address of ${location}.` : "";
    throw new RetryError(refusal + moved, msOf(response.headers.get("retry-after") ?? ""));
  }
}

/**
 * A folder of files that are only added to; beside each stands how much of it was sent.
 *
 * `NAME.events` is written by one process. The number in `NAME.sent` only grows; if it is lost, events are sent again
 * with their ids. That file is touched while its process lives: a process that finds it untouched for `orphanAfterMs`,
 * or whose process on this machine is gone, renames the pair, and sends what it holds.
 */
class Spool {
  #own = null;
  #adopted = [];
  #shownAt = -Infinity;

  constructor({ spool, spoolBytesMax, fsyncMs, orphanAfterMs }) {
    Object.assign(this, { folder: spool, bytesMax: spoolBytesMax, isForcedByEach: fsyncMs <= 0, orphanAfterMs });
    fs.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  /** Add a line to the file. Throws `SpoolFullError`, and then nothing was added. */
  append(line) {
    if (Date.now() - this.#shownAt > this.orphanAfterMs / 2) this.showAlive(Date.now()); // we slept: still ours?
    if (this.waitingBytes() + line.length > this.bytesMax) {
      throw new SpoolFullError(`${this.bytesMax} bytes wait to be sent. Is Countinghouse out of reach?`);
    }
    try {
      this.#own ??= Segment.create(this.folder);
      this.#own.append(line);
      if (this.isForcedByEach) this.#own.force();
      if (this.#own.size >= SEGMENT_BYTES_MAX) {
        this.#own.force();
        this.#adopted.push(this.#own); // sent to its end like those of others, and then deleted
        this.#own = null;
      }
    } catch (error) {
      throw new SpoolFullError(error.message, { cause: error });
    }
  }

  /** Touch the files of this process. One that another took over meanwhile, since we slept, is left to it. */
  showAlive(now) {
    if (now - this.#shownAt < this.orphanAfterMs / 3) return;
    this.#shownAt = now;
    for (const segment of this.#segments()) if (!segment.touch(now)) this.#forget(segment);
  }

  /** Take over what processes that ended have left. */
  adopt(now) {
    const known = new Set(this.#segments().map((segment) => segment.file));
    for (const name of fs.readdirSync(this.folder).sort()) {
      const file = path.join(this.folder, name);
      if (!name.endsWith(".events") || known.has(file)) continue;
      const segment = Segment.takeOver(file, now - this.orphanAfterMs);
      if (segment) this.#adopted.push(segment);
    }
  }

  waitingBytes() {
    return this.#segments().reduce((sum, segment) => sum + segment.size - segment.sent, 0);
  }

  /** Return a file, its next lines, and how many bytes they take; null if nothing waits. */
  oldest() {
    for (const segment of this.#segments()) {
      const [lines, size] = segment.nextLines();
      if (size > 0) return [segment, lines, size];
    }
    return [null, [], 0];
  }

  /** Note that so many bytes of the file were answered. Delete a file that nobody adds to any more. */
  done(segment, size) {
    segment.noteSent(size);
    if (segment.sent >= segment.size && segment !== this.#own) {
      this.#forget(segment);
      segment.delete();
    }
  }

  async force() {
    if (this.#own) await fsync(this.#own.descriptor);
  }

  /** Add to `rejected.jsonl`. At its size it becomes `rejected.jsonl.1`, and an older one of that name is lost. */
  keepRejected(row) {
    const file = path.join(this.folder, "rejected.jsonl");
    if (fs.existsSync(file) && fs.statSync(file).size >= REJECTED_BYTES_MAX) fs.renameSync(file, `${file}.1`);
    fs.appendFileSync(file, `${JSON.stringify(row)}\n`);
  }

  /** Give the files free; delete those that are sent. */
  close() {
    for (const segment of this.#segments()) segment.close();
    this.#own = null;
    this.#adopted = [];
  }

  #segments() {
    return this.#own ? [...this.#adopted, this.#own] : this.#adopted;
  }

  #forget(segment) {
    if (segment === this.#own) this.#own = null;
    this.#adopted = this.#adopted.filter((one) => one !== segment);
  }
}

/** One file of a spool. Its name says which process of which machine writes it. */
class Segment {
  constructor(file) {
    this.file = file;
    this.descriptor = fs.openSync(file, "a+", 0o600);
    this.size = fs.fstatSync(this.descriptor).size;
    this.sentDescriptor = fs.openSync(sentOf(file), fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
    const digits = fs.readFileSync(sentOf(file), "latin1");
    this.sent = Math.min(/^\d+$/.test(digits) ? Number(digits) : 0, this.size);
  }

  static #newName() {
    const host = os.hostname().replace(/[^A-Za-z0-9]/g, "_");
    return `${Date.now()}.${host}.${process.pid}.${randomBytes(4).toString("hex")}.events`;
  }

  static create(folder) {
    const file = path.join(folder, Segment.#newName());
    fs.closeSync(fs.openSync(sentOf(file), "w", 0o600)); // first, so that nobody sees the file without it
    const segment = new Segment(file);
    forceFolder(folder);
    return segment;
  }

  /** Rename the file that another process left, and return it; null while that process lives. */
  static takeOver(file, deadSince) {
    try {
      const shownAt = fs.statSync(sentOf(file), { throwIfNoEntry: false })?.mtimeMs ?? fs.statSync(file).mtimeMs;
      if (shownAt >= deadSince && !isDead(file)) return null;
      const ours = path.join(path.dirname(file), Segment.#newName());
      fs.renameSync(file, ours); // of several that try, one succeeds
      if (fs.existsSync(sentOf(file))) fs.renameSync(sentOf(file), sentOf(ours));
      return new Segment(ours);
    } catch (error) {
      if (error.code === "ENOENT") return null;
      throw error;
    }
  }

  append(line) {
    if (fs.writeSync(this.descriptor, line) !== line.length) {
      fs.ftruncateSync(this.descriptor, this.size);
      throw new Error("The disk is full.");
    }
    this.size += line.length;
  }

  force() {
    fs.fsyncSync(this.descriptor);
  }

  /** Return whether the file is still ours, and show that its process lives. */
  touch(now) {
    if (!fs.existsSync(this.file)) return false;
    fs.futimesSync(this.sentDescriptor, now / 1000, now / 1000);
    return true;
  }

  /** Return the next lines, and how many bytes they take with their ends. An unfinished last one was never recorded. */
  nextLines() {
    const chunk = Buffer.alloc(Math.min(BATCH_BYTES_MAX, this.size - this.sent));
    fs.readSync(this.descriptor, chunk, 0, chunk.length, this.sent);
    const lines = [];
    let start = 0;
    for (let end; lines.length < BATCH_EVENTS_MAX && (end = chunk.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
      lines.push(chunk.subarray(start, end));
    }
    return [lines, lines.length ? start : chunk.length];
  }

  noteSent(size) {
    this.sent += size;
    fs.writeSync(this.sentDescriptor, String(this.sent).padStart(20, "0"), 0);
  }

  delete() {
    fs.rmSync(this.file, { force: true });
    fs.rmSync(sentOf(this.file), { force: true });
    fs.closeSync(this.descriptor);
    fs.closeSync(this.sentDescriptor);
  }

  close() {
    if (this.sent >= this.size) return this.delete();
    fs.futimesSync(this.sentDescriptor, 0, 0); // whoever comes next need not wait
    fs.closeSync(this.descriptor);
    fs.closeSync(this.sentDescriptor);
  }
}

function sentOf(file) {
  return file.replace(/\.events$/, ".sent");
}

/** Return whether the file's process was on this machine and is gone. */
function isDead(file) {
  const [, host, pid] = path.basename(file).split(".");
  if (host !== os.hostname().replace(/[^A-Za-z0-9]/g, "_") || Number(pid) === process.pid) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** Return the milliseconds of a `Retry-After`, which may be a date; at most an hour. */
function msOf(retryAfter) {
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(3_600_000, ms);
}

function forceFolder(folder) {
  const descriptor = fs.openSync(folder, "r");
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
}

/**
 * A middleware for Express and whatever else calls `(req, res, next)`: `app.use(express(client))`, before all others.
 *
 * Each response is one event, recorded when it is sent or the other side has gone. `eventOf(req, event, res)` may change
 * the event, or return null to record nothing. Set `id` only to one that your own gateway makes.
 */
export function express(client = Client.fromEnvironment(), eventOf = (req, event) => event) {
  return (req, res, next) => {
    let length = 0;
    for (const name of ["write", "end"]) {
      const original = res[name];
      res[name] = function (chunk, encoding, ...rest) {
        if (req.method !== "HEAD" && (typeof chunk === "string" || chunk instanceof Uint8Array)) {
          length += Buffer.byteLength(chunk, typeof encoding === "string" ? encoding : undefined);
        }
        return original.call(this, chunk, encoding, ...rest);
      };
    }
    res.once("close", () => {
      const resource_path = (req.originalUrl ?? req.url).split("?")[0].slice(0, 1024);
      const properties = { http_method: req.method, resource_path, status: res.statusCode, response_length: length };
      try {
        const event = eventOf(req, { type: "http_request", properties }, res);
        if (event) client.record(event.type, event);
      } catch (error) {
        console.error(`countinghouse: a response was not metered: ${error}`);
      }
    });
    next();
  };
}
