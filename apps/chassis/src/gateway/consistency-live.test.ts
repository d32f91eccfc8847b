import { setTimeout as delay } from "node:timers/promises";
import type { Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalServer } from "../cluster/postgres/local-server.ts";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { formatPosition, parsePosition } from "../position/position.ts";
import { takePosition } from "../position/take-position.ts";
import { openSecondReplica } from "../position/test-second-replica.ts";
import { type NumberProcess, openNumberGateway, openNumberProcess } from "./test-read-cluster.ts";
import { type ReaderReport, runReaders, seededRandom } from "./test-readers.ts";

/**
 * A primary, two replicas with a reading process each, a crud and a gateway. Clients write and read at random and never
 * may read a smaller number than they have seen or written before.
 */
let server: TestServer;
let database: TestDatabase;
let first: LocalServer;
let second: LocalServer;
let pools: Record<"primary" | "first" | "second", Pool>;
let nanos: Record<"first" | "second", NumberProcess>;
let crud: NumberProcess;
let gateway: string;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  server = stack.use(await openTestServer("full"));
  database = await server.openDatabase();
  await database.query("create table numbers (key text primary key, n int not null)");
  await database.query("insert into numbers select 'k' || i, 0 from generate_series(1, 4) i");
  // The login of a nano, but for what tells it at once when its replica follows a promotion.
  await database.query("create role reader login password 'of a test' in role pg_read_all_stats");
  await database.query("grant select on numbers to reader");
  const { replica } = server.postgres;
  if (replica === undefined) throw new Error("the topology has a replica");
  first = replica;
  second = stack.use(await openSecondReplica(server.postgres.primary)).server;
  const reading = (of: LocalServer) =>
    database.openPool(undefined, { url: of.url(database.name, "reader", "of a test") });
  pools = { primary: database.pool, first: reading(first), second: reading(second) };
  for (const pool of [pools.first, pools.second]) {
    const sees = async () => ((await seesNumbers(pool)) === 4 ? true : undefined);
    await pollUntil(sees, { timeoutMs: 10_000, intervalMs: 20 });
  }
  crud = stack.use(await openNumberProcess("crud", "crud", pools.primary));
  nanos = {
    first: stack.use(await openNumberProcess("nano", "first", pools.first)),
    second: stack.use(await openNumberProcess("nano", "second", pools.second)),
  };
  const doors = stack.use(await openNumberGateway(crud.url, [nanos.first.url, nanos.second.url], "seen"));
  gateway = doors.url;
});
afterAll(() => stack.disposeAsync());

async function seesNumbers(pool: Pool): Promise<number | undefined> {
  const found = await pool.query("select from numbers").catch(() => undefined);
  return found?.rowCount ?? undefined;
}

/** Runs statements as the superuser of a server. */
async function command(on: LocalServer, text: string): Promise<Record<string, unknown>[]> {
  const pool = admins.get(on) ?? database.openPool(undefined, { url: on.url("postgres"), maxConnections: 1 });
  admins.set(on, pool);
  return (await pool.query(text)).rows;
}
const admins = new Map<LocalServer, Pool>();

/** Pauses and resumes a replica's replay at random until the signal aborts. */
async function lagAtRandom(on: LocalServer, seed: number, signal: AbortSignal): Promise<void> {
  const random = seededRandom(seed);
  const call = (what: string) => command(on, `select pg_wal_replay_${what}()`).catch(() => []); // it may be down
  while (!signal.aborted) {
    await call("pause");
    await delay(random() * 120, undefined, { signal }).catch(() => undefined);
    await call("resume");
    await delay(random() * 60, undefined, { signal }).catch(() => undefined);
  }
}

/** Random clients over replicas that lag at random, and something that happens meanwhile. */
async function play(
  seed: number,
  lagging: readonly LocalServer[],
  happening: (report: ReaderReport) => Promise<void>,
): Promise<ReaderReport> {
  const controller = new AbortController();
  const { signal } = controller;
  const lag = Promise.all(lagging.map((on, index) => lagAtRandom(on, seed + index, signal)));
  const { report, done } = runReaders(gateway, { seed, clients: 12, keys: 4, signal });
  const [happened] = await Promise.allSettled([
    happening(report).finally(() => controller.abort()),
    lag,
    done,
  ]);
  if (happened.status === "rejected") throw happened.reason;
  return report;
}

/** Resolves when these processes have each answered so many reads from now on. */
async function untilRead({ answeredBy }: ReaderReport, reads: Readonly<Record<string, number>>) {
  const before = new Map(answeredBy);
  const left = () =>
    Object.entries(reads).filter(([by, count]) => (answeredBy.get(by) ?? 0) < (before.get(by) ?? 0) + count);
  await expect.poll(left, { timeout: 30_000 }).toEqual([]);
}

const get = (door: string, position: string) =>
  fetch(`${door}/k1`, { headers: { "Quartet-Position": position } });

test("nobody reads an older number than before, over two replicas with random lag", async () => {
  const enough = { first: 300, second: 300, crud: 3 };
  const { violations } = await play(1, [first, second], (report) => untilRead(report, enough));
  expect(violations).toEqual([]);
});

test("a process that ignores positions is found out", async () => {
  await command(first, "select pg_wal_replay_pause()");
  nanos.first.ignorePosition = true;
  try {
    await play(2, [second], ({ violations }) =>
      expect.poll(() => violations.length, { timeout: 30_000 }).toBeGreaterThan(0),
    );
  } finally {
    nanos.first.ignorePosition = false;
    await command(first, "select pg_wal_replay_resume()");
  }
});

test("a browser sees what it wrote by its cookies, though its requests run in parallel", async () => {
  const jar = new Map<string, string>();
  const raised = new Map<string, number>();
  const send = async (method: string, key: string) => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(`${gateway}/${key}`, { method, headers: cookie === "" ? {} : { cookie } });
    expect(answer.status).toBe(200);
    for (const value of answer.headers.getSetCookie()) {
      const [, name = "", text = ""] = /^([^=]+)=([^;]*)/.exec(value) ?? [];
      if (value.includes("Max-Age=0")) jar.delete(name);
      else jar.set(name, text);
    }
    return Number(await answer.text());
  };
  const controller = new AbortController();
  const lag = Promise.all([first, second].map((on, index) => lagAtRandom(on, 6 + index, controller.signal)));
  const keys = ["k1", "k2", "k3", "k4"];
  for (let round = 0; round < 15; round++) {
    const numbers = await Promise.all(keys.map((key) => send("POST", key)));
    numbers.forEach((n, index) => void raised.set(String(keys[index]), n));
    const seen = await Promise.all([...keys, ...keys].map((key) => send("GET", key)));
    seen.forEach(
      (n, index) => void expect(n).toBeGreaterThanOrEqual(raised.get(String(keys[index % 4])) ?? 0),
    );
    expect(jar.size).toBeLessThanOrEqual(8);
  }
  controller.abort();
  await lag;
  expect(raised.size).toBe(4);
});

test("nor over the crash of a replica", async () => {
  const { violations } = await play(3, [first, second], async (report) => {
    await untilRead(report, { first: 20 });
    process.kill(first.pid, "SIGQUIT"); // PostgreSQL's immediate shutdown: it recovers, as from a crash
    await expect.poll(() => seesNumbers(pools.first), { timeout: 500 }).toBe(undefined);
    await expect.poll(() => seesNumbers(pools.first), { timeout: 20_000 }).toBe(4);
    await untilRead(report, { first: 50, second: 50 });
  });
  expect(violations).toEqual([]);
});

test("nor over the promotion of a replica, which the other one follows", async () => {
  let before = "";
  let lost = "";
  const { violations } = await play(4, [first], async (report) => {
    await untilRead(report, { first: 50, second: 50 });
    await crud.fence();
    before = await takePosition(pools.primary);
    await expect.poll(async () => (await get(nanos.second.url, before)).status).toBe(200);
    await command(second, "select pg_promote(true, 30)");
    const { port, password } = second;
    const conninfo = `host=127.0.0.1 port=${port} user=postgres password=${password} application_name=first`;
    await command(first, `alter system set primary_conninfo = '${conninfo}'`);
    await command(first, "alter system set primary_slot_name = ''");
    await command(first, "select pg_reload_conf()");
    const follows = () => command(first, `select from pg_stat_wal_receiver where sender_port = ${port}`);
    await expect.poll(async () => (await follows()).length, { timeout: 10_000 }).toBe(1);
    // What the former primary writes now is in nobody's future.
    await pools.primary.query("update numbers set n = n + 1000000");
    lost = await takePosition(pools.primary);
    crud.lead(database.openPool(undefined, { url: second.url(database.name) }));
    crud.open();
    await untilRead(report, { second: 200 });
  });
  expect(violations).toEqual([]);
  const answers = await Promise.all(
    [nanos.second.url, nanos.first.url].map((url) => get(url, before).then(({ status }) => status)),
  );
  expect(answers).toContain(200); // a position from before the switch holds on the new timeline
  const refused = await get(nanos.second.url, lost);
  expect([refused.status, await refused.json()]).toMatchObject([503, { code: "stale" }]);
  const kept = await get(gateway, lost);
  expect([kept.status, kept.headers.get("quartet-class")]).toEqual([200, "crud"]);
  const renewed = String(kept.headers.get("quartet-position"));
  expect(parsePosition(renewed).timeline).toBe(2);
  expect((await get(gateway, renewed)).status).toBe(200);
  await expect.poll(async () => (await get(nanos.first.url, renewed)).status, { timeout: 10_000 }).toBe(200); // it follows
});

test("nor after it; and a position of the future or of another system is answered by crud", async () => {
  const { violations } = await play(5, [first], (report) => untilRead(report, { first: 30, second: 100 }));
  expect(violations).toEqual([]);
  const now = parsePosition(await takePosition(pools.second));
  for (const strange of [
    { ...now, systemId: "1" },
    { ...now, timeline: 7 },
    { ...now, lsn: now.lsn + 2n ** 40n },
  ]) {
    const answer = await get(gateway, formatPosition(strange));
    expect([answer.status, answer.headers.get("quartet-class")]).toEqual([200, "crud"]);
    expect(answer.headers.get("quartet-position")).toBeDefined();
  }
});
