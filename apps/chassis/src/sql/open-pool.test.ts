import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

describe("openPool", () => {
  test("reads int8 as bigint and lets pg read the rest", async () => {
    const result = await database.pool.query(
      "select 9007199254740993 as big, 1 as small, array[1::int8] as list, 1.5::numeric as exact",
    );
    expect(result.rows[0]).toEqual({ big: 9007199254740993n, small: 1, list: ["1"], exact: "1.5" });
  });

  test("survives the end of its idle connections, and tells of each", async () => {
    const errors: Error[] = [];
    const pool = database.openPool(undefined, {
      maxConnections: 2,
      applicationName: "to be ended",
      onIdleError: (error) => errors.push(error),
    });
    await Promise.all([pool.query("select pg_sleep(0.05)"), pool.query("select pg_sleep(0.05)")]);
    await database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'to be ended'",
    );
    const told = () => (errors.length === 2 ? true : undefined);
    expect(await pollUntil(told, { timeoutMs: 5_000, intervalMs: 10 })).toBe(true);
    expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  });

  test("survives the end of a connection in use", async () => {
    const pool = database.openPool(undefined, { maxConnections: 1, applicationName: "in use" });
    const sleeping = pool.query("select pg_sleep(20)").then(
      () => "slept",
      () => "ended",
    );
    const ended = async () =>
      (
        await database.query<{ done: boolean }>(
          "select pg_terminate_backend(pid) as done from pg_stat_activity where application_name = 'in use' and state = 'active'",
        )
      )[0]?.done;
    expect(await pollUntil(ended, { timeoutMs: 5_000, intervalMs: 10 })).toBe(true);
    expect(await sleeping).toBe("ended");
    expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  });

  test("does not wait for a connection longer than told", async () => {
    const pool = database.openPool(undefined, { maxConnections: 1, connectTimeoutMs: 50 });
    await using stack = new AsyncDisposableStack();
    const held = await pool.connect();
    stack.defer(() => held.release());
    await expect(pool.query("select 1")).rejects.toThrow("timeout exceeded");
  });
});
