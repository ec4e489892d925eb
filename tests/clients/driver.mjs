// An adopter's program for Node: `node driver.mjs KIND COUNT PER_SECOND`, as `driver.py`.

import { once } from "node:events";
import http from "node:http";
import { Client, express } from "../../docs/clients/countinghouse.mjs";

const [kind, count, perSecond] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const client = Client.fromEnvironment({ flushMs: 100, log: () => {} });
const agent = new http.Agent({ keepAlive: true });
let call = async (target) => client.record("http_request", { properties: { resource_path: target, response_length: 5 } });
let server;

if (kind === "express") {
  const meter = express(client);
  let application = (req, res) => meter(req, res, () => res.end("hello"));
  if (process.env.EXPRESS) {
    application = (await import(process.env.EXPRESS)).default(); // the real one
    application.use(meter);
    application.get("/n/:number", (req, res) => res.send("hello"));
  }
  server = http.createServer(application).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  call = (target) =>
    new Promise((resolve, reject) => {
      http.get({ port, path: target, agent }, (res) => res.resume().on("end", resolve)).on("error", reject);
    });
}

const started = Date.now();
for (let number = 0; number < count; number += 1) {
  const ahead = (number * 1000) / perSecond - (Date.now() - started);
  if (ahead > 1) await new Promise((resolve) => setTimeout(resolve, ahead));
  await call(`/n/${number}`);
}
for (const deadline = Date.now() + 30_000; client.counts.recorded < count && Date.now() < deadline; ) {
  await new Promise((resolve) => setTimeout(resolve, 10)); // "close" comes after the last byte
}
if (!(await client.close(300_000))) throw new Error(client.lastFailure);
console.log(JSON.stringify(client.counts));
agent.destroy();
server?.closeAllConnections();
server?.close();
