import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Agent, request } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { openTestDatabase } from "../../cluster/postgres/test-database.ts";
import { createOperationId } from "../../command/operation-id.ts";
import { createGuardedDomain } from "../test-guarded-domain.ts";
import type { ThreadSettings } from "./test-server-thread.ts";

/** Of one statement, and four connections: some forty requests a second. */
const sleepMs = 100;
const stack = new AsyncDisposableStack();
let url: string;
let agent: Agent;

beforeAll(async () => {
  const database = stack.use(await openTestDatabase());
  const urls = { databaseUrl: database.url(), eventsDatabaseUrl: database.url() };
  await applySchema(createGuardedDomain().domain, urls);
  const settings: ThreadSettings = { databaseUrl: database.url() };
  const worker = new Worker(new URL("./test-server-thread.ts", import.meta.url), {
    workerData: settings,
    execArgv: ["--conditions=quartet-source"],
  });
  stack.defer(async () => {
    worker.postMessage("stop");
    await once(worker, "exit");
  });
  const [port] = await once(worker, "message");
  url = `http://127.0.0.1:${port}`;
  agent = new Agent({ connections: 300 });
  stack.defer(() => agent.destroy());
});
afterAll(() => stack.disposeAsync());

async function read(): Promise<number> {
  const answer = await request(`${url}/guarded.v1.Things/Read`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ms: sleepMs }),
    dispatcher: agent,
    signal: AbortSignal.timeout(3_000),
  });
  await answer.body.dump();
  if (answer.statusCode === 503) expect(answer.headers["retry-after"]).toBe("1");
  return answer.statusCode;
}

/** Of callers who ask again once they have their answer: answers per second. */
async function rateOf(callers: number, ms: number): Promise<number> {
  const untilMs = performance.now() + ms;
  let answered = 0;
  const ask = async () => {
    while (performance.now() < untilMs) {
      expect(await read()).toBe(200);
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, ask));
  return answered / (ms / 1000);
}

interface Look {
  readonly status: number;
  readonly ms: number;
  readonly load: Load | undefined;
}

/** What `/_quartet/load` says, as far as it is looked at. */
interface Load {
  readonly inFlight: number;
  readonly queued: { readonly query: number };
}

async function look(path: string): Promise<Look> {
  const beganMs = performance.now();
  const answer = await request(`${url}${path}`, { dispatcher: agent });
  const text = await answer.body.text();
  const load = path === "/_quartet/load" ? (JSON.parse(text) as Load) : undefined;
  return { status: answer.statusCode, ms: performance.now() - beganMs, load };
}

test("ten times the load it can take is refused early: a process serves nearly what it can, and answers for itself", async () => {
  await rateOf(4, 1_000);
  const unloaded = await rateOf(4, 2_000);
  const statuses = new Map<number | "none", number>();
  const note = (status: number | "none") => void statuses.set(status, (statuses.get(status) ?? 0) + 1);
  const loadMs = 7_000;
  const beganMs = performance.now();
  const sent: Promise<void>[] = [];
  const flood = async () => {
    while (performance.now() < beganMs + loadMs) {
      const due = (performance.now() - beganMs) * (unloaded / 1000) * 10;
      while (sent.length < due) sent.push(read().then(note, () => note("none")));
      await delay(5);
    }
  };
  const flooding = flood();
  // At first it lets too many in, and finds out what it can take.
  await delay(3_500);
  const servedBefore = statuses.get(200) ?? 0;
  const countedMs = performance.now();
  const looks = [];
  const operation = `/operations/${createOperationId(Buffer.alloc(32))}`;
  while (performance.now() < beganMs + loadMs - 200) {
    looks.push(await look("/livez"), await look(operation), await look("/_quartet/load"));
    await delay(100);
  }
  const served = ((statuses.get(200) ?? 0) - servedBefore) / ((performance.now() - countedMs) / 1000);
  await flooding;
  await Promise.all(sent);
  const loads = looks.flatMap(({ load }) => load ?? []);
  const told = `${served.toFixed(0)}/s of ${unloaded.toFixed(0)}/s, ${JSON.stringify([...statuses])}, ${JSON.stringify(loads.at(-1))}`;
  expect(statuses.get(503) ?? 0, told).toBeGreaterThan(sent.length / 2);
  // Measured: 0.95 when the machine does nothing else.
  expect(served / unloaded, told).toBeGreaterThan(0.6);
  expect(
    looks.map(({ status }) => status),
    told,
  ).toEqual(looks.map(() => 200));
  expect(Math.max(...looks.map(({ ms }) => ms)), told).toBeLessThan(2_000);
  for (const load of loads) {
    expect(load.queued.query).toBeLessThanOrEqual(1_000);
    expect(load.inFlight).toBeLessThanOrEqual(1_000);
  }
  expect(statuses.get("none") ?? 0, told).toBeLessThan(sent.length * 0.4);
  // And is itself again once it is over.
  expect(await rateOf(4, 1_000)).toBeGreaterThan(unloaded * 0.5);
});
