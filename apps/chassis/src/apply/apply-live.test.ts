import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { applySchema } from "./apply-schema.ts";
import type { StepReport } from "./step.ts";
import { lonelyDomain } from "./test-domain.ts";
import { percentile, runWriters, type WriteLoad, watchLockWaits } from "./test-writers.ts";

/**
 * What apply costs those who write meanwhile, on a million rows. Three measures, as a machine with two busy cores makes
 * its own delays: the time writers spend waiting for a lock on a relation, as Postgres itself dates it (pg_locks.waitstart),
 * which only apply can cause; the slowest write from the moment it was due, against 200 ms, or against the same load
 * without an apply where that alone is slower; and for how long the lock of `alter table` was held.
 */
const rows = 1_000_000;
const writesPerSecond = 200;
const allowedMs = 200;

let server: TestServer;
let database: TestDatabase;

beforeAll(async () => {
  server = await openTestServer();
  database = await server.openDatabase();
  await apply(first);
  const fill = await database.connect();
  await fill.query(
    `insert into lonely.things (pb)
select jsonb_build_object('id', n::text, 'amount', (n % 1000)::text, 'note', md5(n::text), 'at', '2026-11-21T10:00:00Z')
from generate_series(1, $1::int) n`,
    [rows],
  );
  await fill.query("vacuum analyze lonely.things");
  await fill.query("checkpoint");
}, 240_000);
afterAll(() => server[Symbol.asyncDispose]());

const fields = { amount: "int64", note: "string", at: ".google.protobuf.Timestamp" };
const first = lonelyDomain(fields);
const later = lonelyDomain({ ...fields, remark: "string", due: ".google.protobuf.Timestamp" }, [
  { field: ["amount"] },
  { field: ["note", "amount"] },
]);

async function apply(domain: typeof first): Promise<ReadonlyMap<string, StepReport>> {
  const reports = new Map<string, StepReport>();
  const target = { databaseUrl: database.url(), eventsDatabaseUrl: database.url() };
  await applySchema(domain, target, {
    onStepDone: (_, step, report) => reports.set(step.what, report),
    onProgress: (_, { what }, { phase, percent }) => console.log(`${what}: ${phase} ${percent ?? "?"}%`),
  });
  return reports;
}

/** Updates all over the table, inserts, and updates through the view. */
function writeOf(count: number) {
  if (count % 4 === 0) {
    return {
      text: "insert into lonely.things (pb) values (jsonb_build_object('id', $1::text))",
      values: [`new ${start}-${count}`],
    };
  }
  const id = String(1 + ((count * 7_919) % rows));
  return count % 4 === 1
    ? { text: "update lonely.things_view set note = 'viewed' where id = $1", values: [id] }
    : {
        text: `update lonely.things set pb = pb || '{"amount": "7"}', version = version + 1 where id = $1`,
        values: [id],
      };
}
let start = 0;

/** The load for as long as `work` lasts, and the longest wait for a lock in it. */
async function underLoad<T>(
  work: () => Promise<T>,
): Promise<{ load: WriteLoad; lockWaitMs: number; result: T }> {
  start += 1;
  const name = `writer ${start}`;
  const writers = database.openPool(undefined, { applicationName: name, maxConnections: 16 });
  const observer = database.openPool(undefined, { applicationName: "observer", maxConnections: 1 });
  await Promise.all(Array.from({ length: 16 }, () => writers.query("select pg_sleep(0.05)")));
  const done = new AbortController();
  const loading = runWriters(writers, writeOf, writesPerSecond, done.signal);
  const waiting = watchLockWaits(observer, name, done.signal);
  try {
    await delay(1_000);
    const result = await work();
    await delay(500);
    done.abort();
    return { load: await loading, lockWaitMs: await waiting, result };
  } finally {
    done.abort();
  }
}

const fileOf = async () => (await database.query("select pg_relation_filenode('lonely.things') as file"))[0];

test("a new field, new indexes and a larger view hold up no write on a million rows", {
  timeout: 240_000,
}, async () => {
  const file = await fileOf();
  const before = await underLoad(() => delay(5_000));
  const during = await underLoad(() => apply(later));
  for (const [name, { load, lockWaitMs }] of Object.entries({ before, during })) {
    const [p50, p99, slowest] = [0.5, 0.99, 1].map((share) => percentile(load.latencies, share).toFixed(1));
    console.log(
      `${name} apply: ${load.latencies.length} writes, p50 ${p50} ms, p99 ${p99} ms, slowest ${slowest} ms, ` +
        `longest wait for a lock ${lockWaitMs.toFixed(1)} ms`,
    );
  }
  for (const [what, { totalMs, heldMs }] of during.result) {
    console.log(
      `${what}: ${totalMs.toFixed(1)} ms${heldMs === undefined ? "" : `, lock held ${heldMs.toFixed(1)} ms`}`,
    );
  }
  expect([...during.result.keys()]).toEqual([
    expect.stringMatching(/^record of the schema/),
    "columns remark, due of lonely.things",
    "view lonely.things_view",
    "function lonely.things_view_write()",
    "index things_amount_idx of lonely.things",
    "index things_note_amount_idx of lonely.things",
  ]);
  expect(during.load.errors).toEqual([]);
  expect(during.load.latencies.length).toBeGreaterThan(writesPerSecond);
  expect(during.result.get("columns remark, due of lonely.things")?.heldMs).toBeLessThan(50);
  expect(during.lockWaitMs).toBeLessThan(allowedMs);
  expect(percentile(during.load.latencies, 1)).toBeLessThan(
    Math.max(allowedMs, 2 * percentile(before.load.latencies, 1)),
  );
  expect(await fileOf()).toEqual(file);
  const [valid] = await database.query(
    "select count(*)::int as count from pg_index where indrelid = 'lonely.things'::regclass and indisvalid",
  );
  expect(valid).toEqual({ count: 3 });
});
