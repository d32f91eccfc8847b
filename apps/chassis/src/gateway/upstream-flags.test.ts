import { pino } from "pino";
import { request } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { createApp } from "../edge/create-app.ts";
import { type Listener, openListener } from "../edge/listen.ts";
import { openRuntime } from "../edge/open-runtime.ts";
import { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { FlagBook, type FlagStatus } from "../flags/flag-book.ts";
import { writeFlagDocument } from "../flags/flag-documents.ts";
import { flagDomain, flagSaying, makeThing } from "../flags/test-flags.ts";
import { openFlagWatch } from "../flags/watch-flags.ts";
import { createGateway } from "./open-gateway.ts";
import { createRoutes } from "./routes.ts";
import { type RouteReport, routesPath } from "./routes-endpoint.ts";
import { gatewayFlagsEveryMs, upstreamFlags } from "./upstream-flags.ts";

const log = pino({ level: "silent" });
const stack = new AsyncDisposableStack();
let database: TestDatabase;
let crud: Listener;
let gateway: Listener;

beforeAll(async () => {
  database = stack.use(await openTestDatabase());
  await applySchema(flagDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  crud = stack.use(await openCrud(0));
  gateway = stack.use(await openGateway([urlOf(crud)]));
});
afterAll(() => stack.disposeAsync());

/** A crud process on the database. */
async function openCrud(port: number): Promise<Listener> {
  await using opening = new AsyncDisposableStack();
  const runtime = opening.use(
    await openRuntime({
      domain: flagDomain,
      databaseUrl: database.url(),
      eventsDatabaseUrl: undefined,
      upstreams: { crud: [], micro: [], nano: [], lambda: [] },
      secret: Buffer.alloc(32),
      maxConnections: 4,
      log,
      expected: "crud",
      allowSurplus: true,
    }),
  );
  const app = createApp(runtime, { pushSecrets: [], isReady: async () => true });
  const listener = opening.use(await openListener(app, port, "127.0.0.1"));
  const owned = opening.move();
  return { port: listener.port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function openGateway(urls: readonly string[]): Promise<Listener> {
  await using opening = new AsyncDisposableStack();
  const upstreams = opening.use(new ClassUpstreams({ crud: urls, micro: [], nano: [], lambda: [] }));
  const book = new FlagBook(flagDomain.methods, upstreamFlags(upstreams));
  opening.use(await openFlagWatch({ book, log, everyMs: gatewayFlagsEveryMs }));
  const routes = createRoutes(flagDomain, new Map(), book);
  const handler = createGateway({ routes, flags: book, adminToken: undefined }, upstreams, log);
  const listener = opening.use(await openListener(handler, 0, "127.0.0.1"));
  const owned = opening.move();
  return { port: listener.port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const urlOf = ({ port }: Listener) => `http://127.0.0.1:${port}`;

async function readRoutes(headers: Record<string, string> = {}): Promise<RouteReport> {
  return (await (await request(`${urlOf(gateway)}${routesPath}`, { headers })).body.json()) as RouteReport;
}

async function readStatus(): Promise<FlagStatus> {
  return (await (await request(`${urlOf(crud)}/_quartet/flags`)).body.json()) as FlagStatus;
}

/** The code of the problem that a command without an idempotency key meets; undefined when it is answered. */
async function makeWithoutKey(listener: Listener): Promise<unknown> {
  const url = `${urlOf(listener)}/v1/things`;
  const answer = await request(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  const body = (await answer.body.json()) as { code?: unknown };
  return answer.statusCode === 200 ? undefined : body.code;
}

/** Waits until the gateway's table is as it should be. */
async function awaitRoutes(
  isRight: (report: RouteReport, mode: string | undefined) => boolean,
): Promise<RouteReport> {
  const found = await pollUntil(
    async () => {
      const report = await readRoutes();
      const mode = report.routes.find(({ name }) => name === makeThing)?.mode;
      return isRight(report, mode) ? report : undefined;
    },
    { timeoutMs: 15_000, intervalMs: 50 },
  );
  if (found === undefined) throw new Error(JSON.stringify(await readRoutes()));
  return found;
}

const set = (document: string) => writeFlagDocument(database.pool, document, "this test");

test("a flag set in the table changes what a class process and a gateway before it do, and back", async () => {
  expect([await makeWithoutKey(crud), await makeWithoutKey(gateway)]).toEqual([undefined, undefined]);
  await set(flagSaying(makeThing, "async"));
  await awaitRoutes((_report, mode) => mode === "async");
  // An asynchronous command needs a key. The class process is asked past the gateway.
  expect([await makeWithoutKey(crud), await makeWithoutKey(gateway)]).toEqual(["key_missing", "key_missing"]);
  await database.query("delete from quartet.flag_document");
  await awaitRoutes((_report, mode) => mode === "direct");
  // As a row made anew, it has the version it had before.
  await set(flagSaying(makeThing, "offloaded"));
  await awaitRoutes((_report, mode) => mode === "offloaded");
  await set("");
  await awaitRoutes((_report, mode) => mode === "direct");
});

test("a document that is wrong leaves the flags of before in both, with an alarm; so does a process that goes", async () => {
  await set(flagSaying(makeThing, "async"));
  await awaitRoutes((_report, mode) => mode === "async");
  await set("{");
  const kinds = (report: RouteReport) => report.alarms.map(({ kind }) => kind);
  const report = await awaitRoutes((found) => kinds(found).includes("malformed"));
  expect(report.routes.find(({ name }) => name === makeThing)?.mode).toBe("async");
  expect(await makeWithoutKey(crud)).toBe("key_missing");
  expect(await readStatus()).toMatchObject({ known: true, alarms: [{ kind: "malformed" }] });
  // One that starts now has never seen flags that are right: the gateway does not take that for "no flags".
  const { port } = crud;
  await crud[Symbol.asyncDispose]();
  await awaitRoutes((found) => kinds(found).includes("unreadable"));
  crud = stack.use(await openCrud(port));
  expect(await readStatus()).toMatchObject({ known: false, alarms: [{ kind: "malformed" }] });
  const told = await awaitRoutes((found) =>
    found.alarms.some(({ message }) => message.includes("no flag definitions")),
  );
  expect(told.routes.find(({ name }) => name === makeThing)?.mode).toBe("async");
  await set(flagSaying("no.Such/Method", "async"));
  const after = await awaitRoutes((found, mode) => mode === "direct" && kinds(found).includes("unfit"));
  expect(after.alarms).toHaveLength(1);
});

test("a class process says 304 while nothing has changed", async () => {
  const url = `${urlOf(crud)}/_quartet/flags`;
  const first = await request(url);
  await first.body.dump();
  const again = await request(url, { headers: { "if-none-match": String(first.headers["etag"]) } });
  expect([first.statusCode, again.statusCode, await again.body.text()]).toEqual([200, 304, ""]);
});

test("the gateway tells its routes to whoever administers it, and to nobody through a proxy", async () => {
  const answer = await request(`${urlOf(gateway)}${routesPath}`, {
    headers: { "x-forwarded-for": "192.0.2.1" },
  });
  expect([answer.statusCode, await answer.body.json()]).toMatchObject([403, { code: "permission_denied" }]);
  const flags = await request(`${urlOf(gateway)}/_quartet/flags`);
  expect(flags.statusCode).toBe(404);
  await flags.body.dump();
});

test("a process whose table cannot be read goes on, with an alarm", async () => {
  await set(flagSaying(makeThing, "async"));
  await awaitRoutes((_report, mode) => mode === "async");
  await database.query("alter table quartet.flag_document rename to away");
  try {
    await awaitRoutes(
      ({ alarms }, mode) => mode === "async" && alarms.some(({ kind }) => kind === "unreadable"),
    );
  } finally {
    await database.query("alter table quartet.away rename to flag_document");
  }
  await awaitRoutes(({ alarms }) => alarms.length === 0);
});
