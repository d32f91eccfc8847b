import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { sqlStateOf, translateDatabaseError } from "./translate-error.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create table held (id int primary key); insert into held values (1)");
  await database.query("create role reader login password 'of a test, it''s'");
});
afterAll(() => database[Symbol.asyncDispose]());

async function failure(run: () => Promise<unknown>): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("translateDatabaseError", () => {
  test("a refused write is permission_denied", async () => {
    const error = await failure(() => database.openPool("reader").query("insert into held values (2)"));
    expect(sqlStateOf(error)).toBe("42501");
    expect(translateDatabaseError(error)).toMatchObject({
      code: "permission_denied",
      retry: false,
      cause: error,
    });
  });

  test("a taken unique value is already_exists, which no retry mends", async () => {
    const error = await failure(() => database.query("insert into held values (1)"));
    expect(translateDatabaseError(error)).toMatchObject({
      code: "already_exists",
      retry: false,
      cause: error,
    });
  });

  test.each([
    ["no time", "select 'x'::timestamptz"],
    ["a time that there is not", "select '2024-13-01'::timestamptz"],
    ["no number", "select 'x'::int"],
    ["a number out of range", "select 99999999999::int"],
    ["two members of a oneof, for a view", "do $$ begin raise exception using errcode = '22023'; end $$"],
  ])("%s is invalid_argument", async (_, sql) => {
    expect(translateDatabaseError(await failure(() => database.query(sql)))).toMatchObject({
      code: "invalid_argument",
    });
  });

  test("a statement over its time is deadline_exceeded", async () => {
    const pool = database.openPool(undefined, { statementTimeoutMs: 50 });
    const error = await failure(() => pool.query("select pg_sleep(5)"));
    expect(sqlStateOf(error)).toBe("57014");
    expect(translateDatabaseError(error)).toMatchObject({ code: "deadline_exceeded" });
  });

  test("a lock that is not free in time is unavailable", async () => {
    const [holder, waiter] = [await database.connect(), await database.connect()];
    await holder.query("begin; select from held where id = 1 for update");
    const error = await failure(() => waiter.query("set lock_timeout = 20; select from held for update"));
    await holder.query("rollback");
    expect(translateDatabaseError(error)).toMatchObject({ code: "unavailable", retryAfterSeconds: 1 });
  });

  test("a connection that the server ends is unavailable", async () => {
    const client = await database.connect();
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    const sleeping = failure(() => client.query("select pg_sleep(20)"));
    await database.query("select pg_terminate_backend($1, 5000)", [rows[0]?.pid]);
    expect(translateDatabaseError(await sleeping)).toMatchObject({ code: "unavailable" });
    const after = await failure(() => client.query("select 1"));
    expect(sqlStateOf(after)).toBeUndefined();
    expect(translateDatabaseError(after)).toMatchObject({ code: "unavailable" });
  });

  test("a transaction left idle too long is deadline_exceeded, and its connection unavailable", async () => {
    const client = await database.connect();
    const ended = new Promise<Error>((resolve) => client.once("error", resolve));
    await client.query("set idle_in_transaction_session_timeout = 20");
    await client.query("begin");
    expect(translateDatabaseError(await ended)).toMatchObject({ code: "deadline_exceeded" });
    expect(translateDatabaseError(await failure(() => client.query("select 1")))).toMatchObject({
      code: "unavailable",
    });
  });

  test("a server that is not there is unavailable", async () => {
    const pool = database.openPool(undefined, { url: "postgres://x@127.0.0.1:1/x" });
    expect(translateDatabaseError(await failure(() => pool.query("select 1")))).toMatchObject({
      code: "unavailable",
    });
    const unknown = database.openPool(undefined, { url: "postgres://x@nowhere.invalid/x" });
    expect(translateDatabaseError(await failure(() => unknown.query("select 1")))).toMatchObject({
      code: "unavailable",
    });
  });

  test("what is not the database's passes through, and so does what is translated already", async () => {
    const own = new QuartetError("stale", "old");
    const other = new TypeError("no");
    expect(translateDatabaseError(own)).toBe(own);
    expect(translateDatabaseError(other)).toBe(other);
    expect(translateDatabaseError(undefined)).toBeUndefined();
    const fault = await failure(() => database.pool.query("selec"));
    expect(translateDatabaseError(fault)).toBe(fault);
  });
});
