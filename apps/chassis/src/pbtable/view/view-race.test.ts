import type { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { CounterSchema } from "../../schema/test-schema.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { createViews, faultOf } from "./test-view.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createViews(database, [CounterSchema]);
});
afterAll(() => database[Symbol.asyncDispose]());

let count = 0;

async function insertCounter(): Promise<number> {
  const id = ++count;
  await database.query("insert into test.counters_view (id, value) values ($1, 5)", [id]);
  return id;
}

async function readCounter(id: number): Promise<unknown> {
  const [row] = await database.query("select value, version from test.counters_view where id = $1", [id]);
  return row;
}

/** Runs `change` after `statement` has read the row and before it writes: it waits for the advisory lock between. */
async function runBetween(
  statement: (stop: string) => string,
  change: readonly string[],
): Promise<{ rowCount: number | null } | { code: unknown }> {
  const [holder, writer] = await Promise.all([database.connect(), database.connect()]);
  await holder.query("select pg_advisory_lock(1)");
  // The argument depends on the row, so that the lock is asked for when the row is read.
  const outcome = finish(writer, statement("pg_advisory_xact_lock_shared(1 + 0 * id::int) is not null"));
  await waitForLock(writer);
  for (const sql of change) await holder.query(sql);
  await holder.query("select pg_advisory_unlock(1)");
  return await outcome;
}

async function finish(client: Client, sql: string): Promise<{ rowCount: number | null } | { code: unknown }> {
  let rowCount: number | null = null;
  const fault = await faultOf(
    client.query(sql).then((result) => {
      rowCount = result.rowCount;
    }),
  );
  return fault === undefined ? { rowCount } : { code: fault.code };
}

/** Asks until the connection waits for a lock. */
async function waitForLock(client: Client): Promise<void> {
  const { processID } = client as Client & { readonly processID: number }; // its types leave it out
  for (;;) {
    const rows = await database.query("select from pg_locks where pid = $1 and not granted", [processID]);
    if (rows.length > 0) return;
  }
}

describe("a statement that read a row which another transaction then", () => {
  const raise = (id: number) => (stop: string) =>
    `update test.counters_view set value = value + 1 where id = ${id} and ${stop}`;

  test("changed fails, to be run again", async () => {
    const id = await insertCounter();
    const change = [`update test.counters_view set value = 100 where id = ${id}`];
    expect(await runBetween(raise(id), change)).toEqual({ code: "40001" });
    expect(await readCounter(id)).toEqual({ value: 100n, version: 2n });
  });

  test("deleted and inserted anew at the same version fails, to be run again", async () => {
    const id = await insertCounter();
    const change = [
      `delete from test.counters_view where id = ${id}`,
      `insert into test.counters_view (id, value) values (${id}, 100)`,
    ];
    expect(await runBetween(raise(id), change)).toEqual({ code: "40001" });
    expect(await readCounter(id)).toEqual({ value: 100n, version: 1n });
  });

  test("changed by hand, without its version, fails, to be run again", async () => {
    const id = await insertCounter();
    const change = [`update test.counters set pb = pb || '{"value": "100"}' where id = ${id}`];
    expect(await runBetween(raise(id), change)).toEqual({ code: "40001" });
  });

  test("deleted passes it over, as in a table", async () => {
    const id = await insertCounter();
    const change = [`delete from test.counters_view where id = ${id}`];
    expect(await runBetween(raise(id), change)).toEqual({ rowCount: 0 });
  });

  test("changed does not delete it", async () => {
    const id = await insertCounter();
    const change = [`update test.counters_view set value = 100 where id = ${id}`];
    const remove = (stop: string) => `delete from test.counters_view where id = ${id} and ${stop}`;
    expect(await runBetween(remove, change)).toEqual({ code: "40001" });
  });
});

test("no update is lost among four connections", async () => {
  const id = await insertCounter();
  const add = async (times: number) => {
    for (let done = 0; done < times; ) {
      const fault = await faultOf(
        database.pool.query("update test.counters_view set value = value + 1 where id = $1", [id]),
      );
      if (fault === undefined) done++;
      else expect(fault.code).toBe("40001");
    }
  };
  await Promise.all([add(50), add(50), add(50), add(50)]);
  expect(await readCounter(id)).toEqual({ value: 205n, version: 201n });
});

test("a repeatable read whose row changed is run again", async () => {
  const id = await insertCounter();
  let attempts = 0;
  await runTransaction(database.pool, async (client) => {
    await client.query("set transaction isolation level repeatable read");
    await client.query("select value from test.counters_view where id = $1", [id]);
    if (++attempts === 1)
      await database.query("update test.counters_view set value = 100 where id = $1", [id]);
    await client.query("update test.counters_view set value = value + 1 where id = $1", [id]);
  });
  expect(attempts).toBe(2);
  expect(await readCounter(id)).toEqual({ value: 101n, version: 3n });
});
