import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { runCommit } from "./run-commit.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create table kept (id int primary key)");
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => database.query("truncate kept"));

const insert = (id: number) => ({ name: "insert", text: "insert into kept values ($1)", values: [id] });
const ids = async () =>
  (await database.query<{ id: number }>("select id from kept order by id")).map(({ id }) => id);

describe("a transaction", () => {
  test("that could not begin in time is not committed, whatever its work swallowed", async () => {
    const late = runCommit(
      database.pool,
      async (tx) => {
        tx.defer(insert(1));
        await delay(60);
        await tx.query(insert(2)).catch(() => undefined);
      },
      { deadlineMs: Date.now() + 50 },
    );
    await expect(late).rejects.toMatchObject({ code: "deadline_exceeded" });
    expect(await ids()).toEqual([]);
  });

  test("that could not send what was deferred is not committed, whatever its work swallowed", async () => {
    const unsent = runCommit(database.pool, async (tx) => {
      await tx.query(insert(1));
      tx.defer(insert(2));
      tx.defer({ ...insert(3), text: "delete from kept where id = $1" });
      await tx.query({ text: "select 1" }).catch(() => undefined);
    });
    await expect(unsent).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining("insert"),
    });
    expect(await ids()).toEqual([]);
  });

  test("that was undone takes no statement more of work that went on beside", async () => {
    const after = Promise.withResolvers<unknown>();
    const undone = runCommit(database.pool, (tx) =>
      Promise.all([
        tx.query(insert(1)).then(() => Promise.reject(new RangeError("no"))),
        tx.query(insert(2)).then(async () => {
          await delay(50);
          after.resolve(await tx.query(insert(3)).catch((error: unknown) => error));
        }),
      ]),
    );
    await expect(undone).rejects.toThrow("no");
    expect(await after.promise).toMatchObject({ code: "internal" });
    expect(await ids()).toEqual([]);
  });

  test("that was committed takes no statement more, neither by itself nor in another's", async () => {
    const pool = database.openPool(undefined, { maxConnections: 1 });
    let late: Promise<unknown> = Promise.resolve();
    await runCommit(pool, async (tx) => {
      await tx.query(insert(1));
      late = delay(50)
        .then(() => tx.query(insert(2)))
        .catch((error: unknown) => error);
    });
    const other = runCommit(pool, async (tx) => {
      await tx.query({ text: "select 1" });
      await late;
      throw new RangeError("undone");
    });
    await expect(other).rejects.toThrow("undone");
    expect(await late).toMatchObject({ code: "internal" });
    expect(await ids()).toEqual([1]);
  });

  test("that did nothing has succeeded although what is read then is not answered, and keeps no busy connection", async () => {
    const pool = database.openPool(undefined, { maxConnections: 1, statementTimeoutMs: 60_000 });
    pool.on("connect", (client) => {
      const { connectionParameters } = client as unknown as {
        connectionParameters: { query_timeout: number };
      };
      connectionParameters.query_timeout = 50;
    });
    const nothing = runCommit(pool, async () => 1, { after: { text: "select pg_sleep(5)" } });
    expect(await nothing).toEqual({ value: 1, after: undefined });
    expect((await pool.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
  });

  test("fails where a statement was asked for once it has a savepoint, and can be undone to it", async () => {
    await database.query("insert into kept values (7)");
    await runCommit(database.pool, async (tx) => {
      await tx.query(insert(1));
      expect(tx.hasSavepoint).toBe(false);
      await tx.query({ text: "savepoint s" });
      expect(tx.hasSavepoint).toBe(true);
      await expect(tx.query(insert(7))).rejects.toMatchObject({ code: "23505" });
      await tx.query({ text: "rollback to savepoint s" });
      await tx.query(insert(2));
    });
    expect(await ids()).toEqual([1, 2, 7]);
  });

  test("of many slow statements in one round trip has the time of all of them", async () => {
    // The server gives each 400 ms; the silence that is allowed beyond that is 3 s.
    const pool = database.openPool(undefined, { maxConnections: 1, statementTimeoutMs: 400 });
    await runCommit(pool, async (tx) => {
      for (let id = 1; id <= 12; id++) tx.defer({ text: `insert into kept select ${id} from pg_sleep(0.3)` });
    });
    expect(await ids()).toHaveLength(12);
  });
});
