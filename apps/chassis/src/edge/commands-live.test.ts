import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, setGlobalDispatcher } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { ask, type CommandHost, HeldWrites, noteDomain, openCommandHost } from "./test-command-host.ts";
import { pushAccepted } from "./test-push-accepted.ts";
import { openWaitingClients } from "./test-waiting-clients.ts";

/** Backends tell what they did once a second at most. */
const statisticsMs = 1_000;

const agent = new Agent({ connections: 120 });
setGlobalDispatcher(agent);
let database: TestDatabase;
let hosts: readonly [CommandHost, CommandHost];

beforeAll(async () => {
  database = await openTestDatabase();
  const held = new HeldWrites();
  await applySchema(noteDomain(held), { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  hosts = [
    await openCommandHost(database.url(), held),
    await openCommandHost(database.url(), held, "second"),
  ];
});
afterAll(async () => {
  await agent.close();
  for (const each of [...(hosts ?? []), database]) await each?.[Symbol.asyncDispose]();
});

test("5,000 clients that wait for an operation cost 200 MB at most, and no connection of their own", async () => {
  const [host] = hosts;
  const id = randomUUID();
  const later = await ask(
    "POST",
    `${host.url}/v1/notes:later`,
    { "idempotency-key": id },
    { id, text: "tea" },
  );
  expect(later.status).toBe(202);
  const before = process.memoryUsage().rss;
  await using clients = await openWaitingClients(
    `${host.url}${later.headers["location"]}`,
    5_000,
    '"done":true',
  );
  // They take nobody's place: work goes on.
  const other = await ask("POST", `${host.url}/v1/notes`, {}, { id: randomUUID(), text: "tea" });
  expect(other.status, other.text).toBe(200);
  expect(clients.answered).toBe(0);
  expect((process.memoryUsage().rss - before) / 1_048_576).toBeLessThan(200);
  expect(host.runtime.main?.pool.totalCount).toBeLessThanOrEqual(4);
  await delay(2 * statisticsMs); // what the clients asked when they came is counted by then
  const beforeMs = performance.now();
  const asked = await countTransactions(2_000);
  // One query a tick, beside what other chores ask: with one for each client it would be thousands.
  expect(asked).toBeLessThanOrEqual((performance.now() - beforeMs + statisticsMs) / 5 + 50);
  await pushAccepted(database, host.runtime, "decisions", id);
  expect(await clients.ended()).toBe(5_000);
});

test("10,000 concurrent requests with 100 keys at two processes have 100 effects, and 100 answers", async () => {
  const keys = Array.from({ length: 100 }, () => randomUUID());
  const answers = await Promise.all(
    Array.from({ length: 10_000 }, async (_, index) => {
      const key = keys[index % keys.length] ?? "";
      const host = hosts[Math.floor(index / keys.length) % 2] ?? hosts[0];
      const sent = { "idempotency-key": key, "connect-timeout-ms": "60000" };
      for (;;) {
        const answer = await ask("POST", `${host.url}/v1/notes`, sent, { id: key, text: "tea" });
        if (answer.status === 200 || answer.headers["retry-after"] === undefined) return { key, ...answer };
        // Shed: a client comes again, when it is told to.
        await delay(Number(answer.headers["retry-after"]) * 1_000 * (0.5 + Math.random()));
      }
    }),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(new Set(answers.map(({ key, text }) => `${key} ${text}`)).size).toBe(100);
  expect(answers.filter(({ headers }) => headers["idempotency-replayed"] === undefined)).toHaveLength(100);
  const [effects] = await database.query<{ notes: number; times: number; events: number }>(
    `select (select count(*)::int from note.notes where id = any($1)) as notes,
      (select max(times)::int from note.notes where id = any($1)) as times,
      (select count(*)::int from quartet.outbox where type = 'note.v1.Note' and aggregateid = any($1)) as events`,
    [keys],
  );
  expect(effects).toEqual({ notes: 100, times: 1, events: 100 });
});

async function countTransactions(forMs: number): Promise<number> {
  const read = async () => {
    const [row] = await database.query<{ count: number }>(
      "select xact_commit::int as count from pg_stat_database where datname = current_database()",
    );
    return row?.count ?? 0;
  };
  const first = await read();
  await delay(forMs);
  return (await read()) - first;
}
