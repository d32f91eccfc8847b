import { randomUUID } from "node:crypto";
import type { Pool } from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { createTestLogin } from "../../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { countOpenSagas } from "../../command/saga/count-open-sagas.ts";
import { createApp } from "../create-app.ts";
import { openListener } from "../listen.ts";
import { openRuntime } from "../open-runtime.ts";
import { ask, type CommandHost, HeldWrites, noteDomain, openCommandHost } from "../test-command-host.ts";
import { type Exposition, namesInAlerts, pageWhen, parseExposition, scrape } from "./test-exposition.ts";

let database: TestDatabase;
let held: HeldWrites;
let host: CommandHost;
let nano: { readonly url: string };
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  database = stack.use(await openTestDatabase());
  held = new HeldWrites();
  await applySchema(noteDomain(held), { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  host = stack.use(await openCommandHost(database.url(), held));
  nano = await openNano();
});
afterAll(() => stack.disposeAsync());

async function openNano(): Promise<{ readonly url: string }> {
  const login = await createTestLogin(database, "quartet_nano", "nano");
  const runtime = stack.use(
    await openRuntime({
      ...{ domain: noteDomain(held), databaseUrl: database.url(login), eventsDatabaseUrl: undefined },
      ...{ upstreams: { crud: [], micro: [], nano: [], lambda: [] }, secret: Buffer.alloc(32) },
      ...{ maxConnections: 2, expected: "nano", allowSurplus: false, log: pino({ level: "silent" }) },
    }),
  );
  const app = createApp(runtime, { pushSecrets: [], isReady: async () => true });
  const { port } = stack.use(await openListener(app, 0, "127.0.0.1"));
  return { url: `http://127.0.0.1:${port}` };
}

const addMethod = "note.v1.Things/Add";
const add = (text: string, headers: Record<string, string> = {}, path = "/v1/notes") =>
  ask("POST", host.url + path, headers, { id: randomUUID(), text });
const requests = (page: Exposition, method: string, status: string) =>
  page.value("quartet_requests_total", { method, status }) ?? 0;

const allRequests = (page: Exposition) =>
  Object.values(page.seriesOf("quartet_requests_total")).reduce((sum, count) => sum + count, 0);

test("requests are counted under load, each once, by method and how it ended", async () => {
  const key = randomUUID();
  await Promise.all([
    ...Array.from({ length: 200 }, () => add("tea")),
    ...Array.from({ length: 30 }, () => add("tea", {}, `/${addMethod}`)),
    ...Array.from({ length: 20 }, () => add("refused")),
    ...Array.from({ length: 10 }, () => ask("GET", `${host.url}/v1/nowhere/${randomUUID()}`)),
    ask("POST", `${host.url}/_quartet/inbox`, {}, {}),
    ...Array.from({ length: 5 }, () => ask("GET", `${host.url}/operations/${randomUUID()}`)),
    add("tea", { "idempotency-key": key, prefer: "respond-async" }, "/v1/notes:later"),
    ...Array.from({ length: 20 }, () => scrape(host.url)),
  ]);
  const page = await pageWhen(host.url, (each) => allRequests(each) >= 267);
  expect(page.seriesOf("quartet_requests_total")).toEqual({
    [`{method="${addMethod}",status="200"}`]: 230,
    [`{method="${addMethod}",status="412"}`]: 20,
    [`{method="note.v1.Things/AddLater",status="202"}`]: 1,
    '{method="none",status="404"}': 10,
    '{method="operations",status="404"}': 5,
    '{method="inbox",status="401"}': 1,
  });
  expect(page.value("quartet_request_duration_seconds_count", { method: addMethod })).toBe(250);
  const evaluated = { method: addMethod, value: "direct", from: "proto" };
  expect(page.value("quartet_flags_evaluations_total", evaluated)).toBe(250);
  expect(page.value("quartet_process", { class: "crud", domain: "note" })).toBe(1);
  expect(page.value("quartet_pool_max_connections", { pool: "main" })).toBe(4);
  expect(page.types.get("quartet_event_loop_delay_seconds")).toBe("histogram");
});

test("a request whose client went counts as 499, and what is under way is told meanwhile", async () => {
  const client = new AbortController();
  const sent = fetch(`${host.url}/v1/notes`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ id: randomUUID(), text: "held" }),
    signal: client.signal,
  });
  await held.arrived;
  const inside = (page: Exposition) => page.value("quartet_requests_in_flight", { lane: "work" });
  const page = await pageWhen(host.url, (each) => inside(each) === 1);
  expect(page.value("quartet_pool_connections", { pool: "main" })).toBeGreaterThan(
    page.value("quartet_pool_idle_connections", { pool: "main" }) ?? 99,
  );
  client.abort();
  await expect(sent).rejects.toThrow();
  held.letGo();
  await pageWhen(host.url, (each) => requests(each, addMethod, "499") === 1 && inside(each) === 0);
});

test("open runs of sagas are counted by an index, the ended ones not looked at", async () => {
  await database.query(`insert into quartet.saga (pb)
    select jsonb_build_object('saga', 'buy', 'instanceKey', n::text, 'status', 'SAGA_STATUS_' ||
      case when n <= 3 then 'STUCK' when n <= 10 then 'RUNNING' else 'COMPLETED' end,
      'startTime', to_char((now() - n * interval '1 hour') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
      'updateTime', to_char((now() - n * interval '1 minute') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    from generate_series(1, 5000) as n`);
  await database.query("analyze quartet.saga");
  const found = await countOpenSagas(database.pool);
  const byStatus = Object.fromEntries(found.map((each) => [each.status, each]));
  expect(byStatus).toMatchObject({ stuck: { saga: "buy", count: 3 }, running: { saga: "buy", count: 7 } });
  expect(Object.keys(byStatus)).toHaveLength(2);
  expect(Math.round((byStatus["running"]?.oldestSeconds ?? 0) / 3600)).toBe(10);
  const plan: string[] = [];
  const explain = async ({ text }: { readonly text: string }) => {
    const lines = await database.query<{ "QUERY PLAN": string }>(`explain ${text}`);
    plan.push(...lines.map((line) => line["QUERY PLAN"]));
    return { rows: [] };
  };
  await countOpenSagas({ query: explain } as unknown as Pool); // as much of a pool as is needed
  expect(plan.join("\n")).toContain("Index Scan using");
  expect(plan.join("\n")).not.toContain("Seq Scan");
});

test("what the database does not tell in time is left out, and the page says so; then it is there", async () => {
  const client = await database.connect();
  await client.query("begin; lock table quartet.saga in access exclusive mode");
  const runs = { saga: "buy", status: "stuck" };
  const up = { reading: "sagas" };
  await using blind = await openCommandHost(database.url(), held, "blind");
  const page = await scrape(blind.url);
  expect(page.value("quartet_metrics_reading_up", up)).toBe(0);
  expect(page.value("quartet_sagas", runs)).toBeUndefined();
  expect(page.value("quartet_requests_in_flight", { lane: "work" })).toBe(0);
  await client.query("rollback");
  await using seeing = await openCommandHost(database.url(), held, "seeing");
  const whole = await scrape(seeing.url);
  expect([whole.value("quartet_metrics_reading_up", up), whole.value("quartet_sagas", runs)]).toEqual([1, 3]);
  expect(whole.value("quartet_sagas_oldest_seconds", runs)).toBeGreaterThan(3 * 3600 - 1);
});

test("the alerts that are shipped ask for metrics that there are", async () => {
  const types = new Set([...(await scrape(host.url)).types.keys(), ...(await scrape(nano.url)).types.keys()]);
  expect(namesInAlerts("quartet-process").filter((name) => !types.has(name))).toEqual([]);
});

test("a page that Prometheus would not read is refused by this test's reader", () => {
  for (const page of [
    "quartet_x 1\n",
    "# TYPE quartet_x gauge\nquartet_x 1",
    "# TYPE quartet_x gauge\nquartet_x 1\nquartet_x 2\n",
    "# TYPE quartet_x counter\nquartet_x 1\n",
    '# TYPE quartet_x gauge\nquartet_x{a="b"c="d"} 1\n',
    '# TYPE quartet_x gauge\nquartet_x{a="b} 1\n',
    "# TYPE quartet_x gauge\nquartet_x Nan\n",
    '# TYPE quartet_x histogram\nquartet_x_bucket{le="1"} 2\nquartet_x_bucket{le="+Inf"} 1\nquartet_x_count 1\n',
  ]) {
    expect(() => parseExposition(page), page).toThrow();
  }
});
