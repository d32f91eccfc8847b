import type { PoolClient } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { createTables, LooseWriter } from "../pbtable/test-table.ts";
import { CounterSchema } from "../schema/test-schema.ts";
import { runTransaction } from "./run-transaction.ts";

let database: TestDatabase;
let counters: LooseWriter;

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [CounterSchema]);
  await database.query(`alter database ${database.name} set deadlock_timeout = '20ms'`);
  counters = new LooseWriter(CounterSchema, database.pool);
});
afterAll(() => database[Symbol.asyncDispose]());

beforeEach(async () => {
  await database.query("truncate test.counters");
  for (const id of [1n, 2n]) await counters.insert({ id, value: 0n });
});

function add(client: PoolClient, id: bigint) {
  return new LooseWriter(CounterSchema, client).update(id, (draft) => {
    draft["value"] = (draft["value"] as bigint) + 1n;
  });
}

const values = async () => [(await counters.get(1n))?.["value"], (await counters.get(2n))?.["value"]];

describe("runTransaction", () => {
  test("commits what the work did and answers with its result", async () => {
    expect(await runTransaction(database.pool, async (client) => (await add(client, 1n))["value"])).toBe(1n);
    expect(await values()).toEqual([1n, 0n]);
  });

  test("rolls back and passes on what the work throws, and gives the connection back", async () => {
    const failing = runTransaction(database.pool, async (client) => {
      await add(client, 1n);
      throw new RangeError("no");
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect(await values()).toEqual([0n, 0n]);
    expect(database.pool.idleCount).toBe(database.pool.totalCount);
  });

  test("runs the loser of a deadlock again, and each commits once", async () => {
    const both = meeting(2);
    let runs = 0;
    const cross = (first: bigint, second: bigint) =>
      runTransaction(database.pool, async (client) => {
        runs++;
        await add(client, first);
        await both.arrive();
        await add(client, second);
      });
    await Promise.all([cross(1n, 2n), cross(2n, 1n)]);
    expect(runs).toBe(3);
    expect(await values()).toEqual([2n, 2n]);
  });

  test("runs a serialization failure again, and commits once", async () => {
    let runs = 0;
    await runTransaction(database.pool, async (client) => {
      await client.query("set transaction isolation level repeatable read");
      await client.query("select 1");
      if (++runs === 1) await runTransaction(database.pool, (other) => add(other, 1n));
      await add(client, 1n);
    });
    expect(runs).toBe(2);
    expect(await values()).toEqual([2n, 0n]);
  });

  test("gives up after four attempts with aborted", async () => {
    let runs = 0;
    const hopeless = runTransaction(database.pool, async (client) => {
      runs++;
      await client.query("do $$ begin raise exception using errcode = '40001'; end $$");
    });
    await expect(hopeless).rejects.toMatchObject({ code: "aborted", retry: true });
    expect(runs).toBe(4);
  });

  test("does not run other failures again", async () => {
    let runs = 0;
    const refused = runTransaction(database.pool, async (client) => {
      runs++;
      await client.query("select no_such_function()");
    });
    await expect(refused).rejects.toMatchObject({ code: "42883" });
    expect(runs).toBe(1);
  });

  test("holds no connection while it waits to run again", async () => {
    const pool = database.openPool(undefined, { maxConnections: 1 });
    let runs = 0;
    const losing = runTransaction(pool, async (client) => {
      if (++runs === 1) await client.query("do $$ begin raise exception using errcode = '40P01'; end $$");
    });
    const [other] = await Promise.all([runTransaction(pool, async () => runs), losing]);
    expect(other).toBe(1);
  });

  test("whose connection is lost before COMMIT is unavailable, and the pool goes on", async () => {
    const lost = runTransaction(database.pool, async (client) => {
      await add(client, 1n);
      const result = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
      await database.query("select pg_terminate_backend($1, 5000)", [result.rows[0]?.pid]);
    });
    await expect(lost).rejects.toMatchObject({ code: "unavailable", cause: expect.any(Error) });
    expect(await values()).toEqual([0n, 0n]);
  });

  test("on a pool that cannot connect is unavailable", async () => {
    const pool = database.openPool("nobody_such");
    await expect(runTransaction(pool, async () => undefined)).rejects.toBeInstanceOf(QuartetError);
    await expect(runTransaction(pool, async () => undefined)).rejects.toMatchObject({ code: "unavailable" });
  });
});

/** A point where the first `count` arrivals wait for one another; later ones pass. */
function meeting(count: number) {
  const all = Promise.withResolvers<void>();
  let missing = count;
  return {
    arrive: async () => {
      if (--missing === 0) all.resolve();
      await all.promise;
    },
  };
}
