import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { createTestLogin } from "../apply/test-domain.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { createGateway } from "../gateway/open-gateway.ts";
import { createRoutes } from "../gateway/routes.ts";
import { createApp } from "./create-app.ts";
import { type Listener, openListener } from "./listen.ts";
import { type OpenRuntime, openRuntime, type RuntimeSettings } from "./open-runtime.ts";
import { createGuardedDomain } from "./test-guarded-domain.ts";
import { ClassUpstreams } from "./upstream/class-upstreams.ts";

interface Process {
  readonly runtime: OpenRuntime;
  readonly url: string;
}

const { domain, seen } = createGuardedDomain();
const none = { crud: [], micro: [], nano: [], lambda: [] };
const log = pino({ level: "silent" });
const stack = new AsyncDisposableStack();
let server: TestServer;
let main: TestDatabase;
let events: TestDatabase;
let crud: Process;
let micro: Process;
let nano: Process;
let gateway: string;

beforeAll(async () => {
  server = stack.use(await openTestServer());
  [main, events] = [await server.openDatabase(), await server.openDatabase()];
  await applySchema(domain, { databaseUrl: main.url(), eventsDatabaseUrl: events.url() });
  for (const name of ["crud", "micro", "nano"] as const) await createTestLogin(main, `quartet_${name}`, name);
  const lambda = await open({});
  const upstreams = { ...none, lambda: [lambda.url] };
  crud = await open({ databaseUrl: main.url("crud"), upstreams });
  nano = await open({ databaseUrl: main.url("nano"), upstreams });
  micro = await open({ databaseUrl: main.url("micro"), eventsDatabaseUrl: events.url("micro"), upstreams });
  const urls = { crud: [crud.url], micro: [micro.url], nano: [nano.url], lambda: [lambda.url] };
  const routes = createRoutes(domain, new Map(), lambda.runtime.flags);
  const desk = { routes, flags: lambda.runtime.flags, adminToken: undefined };
  gateway = urlOf(await listen(createGateway(desk, stack.use(new ClassUpstreams(urls)), log)));
});
afterAll(() => stack.disposeAsync());
beforeEach(() => void seen.splice(0));

async function open(settings: Partial<RuntimeSettings>): Promise<Process> {
  const runtime = stack.use(
    await openRuntime({
      ...{ domain, databaseUrl: undefined, eventsDatabaseUrl: undefined, upstreams: none },
      ...{ secret: Buffer.alloc(32), maxConnections: 2, expected: undefined, allowSurplus: false },
      ...{ log, ...settings },
    }),
  );
  const app = createApp(runtime, { pushSecrets: [], isReady: async () => true });
  return { runtime, url: urlOf(await listen(app)) };
}

async function listen(handler: Parameters<typeof openListener>[0]): Promise<Listener> {
  return stack.use(await openListener(handler, 0, "127.0.0.1"));
}

function urlOf(listener: Listener): string {
  return `http://127.0.0.1:${listener.port}`;
}

async function call(url: string, method: string, body: object, headers: Record<string, string> = {}) {
  const answer = await fetch(`${url}/guarded.v1.Things/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, json: await answer.json() };
}

const step = (name: string) => seen.find((found) => found.step === name);

describe("a statement budget", () => {
  test("is the login's own setting, which whoami tells of", () => {
    expect([crud, micro, nano].map(({ runtime }) => runtime.statementBudgets["main"])).toEqual([
      { ms: 100, from: "login" },
      { ms: 1_000, from: "login" },
      { ms: 100, from: "login" },
    ]);
  });

  test("of a login without a setting is its class' own, and nobody's of a process that is told another", async () => {
    await main.query("create role bare login in role quartet_nano");
    await main.query(`alter role bare password 'of a test, it''s'`);
    const bare = await open({ databaseUrl: main.url("bare") });
    const told = await open({ databaseUrl: main.url("nano"), statementTimeoutMs: 250 });
    expect(bare.runtime.statementBudgets).toEqual({ main: { ms: 100, from: "class" } });
    expect(told.runtime.statementBudgets).toEqual({ main: { ms: 250, from: "QUARTET_STATEMENT_TIMEOUT" } });
    await call(bare.url, "Read", { ms: 0 });
    await call(told.url, "Read", { ms: 0 });
    expect(seen.map(({ limitMs }) => limitMs)).toEqual([100, 250]);
  });

  test.each([
    ["crud", () => crud, "DecideHere"],
    ["micro", () => micro, "Decide"],
    ["nano", () => nano, "Read"],
  ])("cuts a slow statement in %s", async (_, process, method) => {
    const answer = await call(process().url, method, { id: "slow", ms: 1_500 });
    expect(answer).toMatchObject({ status: 504, json: { code: "deadline_exceeded" } });
    expect(step("sql")).toBeUndefined();
  });
});

describe("a deadline", () => {
  test("travels through gateway, micro, lambda and SQL, and only gets nearer", async () => {
    const answer = await call(gateway, "Decide", { id: "a", ms: 0 }, { "connect-timeout-ms": "800" });
    const lefts = ["command", "compute", "sql"].map((name) => step(name)?.leftMs ?? Number.NaN);
    expect(lefts).toEqual(lefts.toSorted((a, b) => b - a));
    expect(lefts[0]).toBeLessThanOrEqual(800);
    // Less was left than the micro's budget of a second.
    expect(step("sql")?.limitMs).toBeLessThanOrEqual(Math.ceil(lefts[1] ?? 0));
    // No relay carries the intent: accepted, and not lost, though nobody waits any more.
    expect(answer.json).toMatchObject({ code: "aborted" });
    expect(await events.query("select type from quartet.outbox")).toHaveLength(1);
  });

  test("of Prefer: wait counts as the client's own", async () => {
    await call(gateway, "Decide", { id: "b", ms: 0 }, { prefer: "wait=1" });
    expect(step("compute")?.leftMs).toBeLessThanOrEqual(1_000);
  });

  test("a client that names none has the default of the class", async () => {
    await call(gateway, "Read", { ms: 0 });
    expect(step("sql")?.leftMs).toBeLessThanOrEqual(5_000);
    expect(step("sql")?.limitMs).toBe(100);
  });

  test("that has passed begins nothing, in any class", async () => {
    for (const { url } of [{ url: gateway }, crud, micro, nano]) {
      for (const method of ["Read", "DecideHere", "Decide"]) {
        const { status } = await call(url, method, { ms: 0 }, { "connect-timeout-ms": "0" });
        expect(status).toBe(504);
      }
    }
    expect(seen).toEqual([]);
  });

  test("that passes while the command is decided publishes nothing", async () => {
    const before = await events.query("select id from quartet.outbox");
    const answer = await call(micro.url, "Decide", { id: "c", ms: 600 }, { "connect-timeout-ms": "300" });
    expect(answer.status).toBe(504);
    expect(await events.query("select id from quartet.outbox")).toEqual(before);
  });

  test("is not what a client says under the name that it is noted by", async () => {
    await call(nano.url, "Read", { ms: 0 }, { "quartet-deadline": String(Date.now() + 1e9) });
    expect(step("sql")?.leftMs).toBeLessThanOrEqual(5_000);
  });
});
