import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { OpenTransaction, type TransactionClient } from "./open-transaction.ts";
import { runCommit } from "./run-commit.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create table kept (id int primary key, tx text default txid_current()::text)");
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => database.query("truncate kept"));

const insert = (id: number) => ({ name: "insert", text: "insert into kept values ($1)", values: [id] });
const rows = () => database.query<{ id: number; tx: string }>("select id, tx from kept order by id");
const ids = async () => (await rows()).map(({ id }) => id);
const status = { text: "select count(*)::int as n from kept" };

describe("runCommit", () => {
  test("commits all in one transaction, and reads afterwards what it has committed", async () => {
    const { value, after } = await runCommit(
      database.pool,
      async (tx) => {
        await tx.query(insert(1));
        tx.defer(insert(2));
        await tx.query(insert(3));
        tx.defer(insert(4));
        return "done";
      },
      { after: status },
    );
    expect([value, after?.rows]).toEqual(["done", [{ n: 4 }]]);
    expect(await ids()).toEqual([1, 2, 3, 4]);
    expect(new Set((await rows()).map(({ tx }) => tx)).size).toBe(1);
  });

  test("of deferred statements alone commits them, and of none does nothing", async () => {
    await runCommit(database.pool, async (tx) => tx.defer(insert(1)), {});
    expect(await ids()).toEqual([1]);
    expect(await runCommit(database.pool, async () => 1, {})).toEqual({ value: 1, after: undefined });
    expect((await runCommit(database.pool, async () => 1, { after: status })).after?.rows).toEqual([
      { n: 1 },
    ]);
  });

  test("tells of a deferred statement what that says of its failure, whoever is told", async () => {
    const explain = (cause: unknown) => new QuartetError("already_exists", "kept already", { cause });
    const work = async (tx: TransactionClient) => {
      tx.defer({ ...insert(1), explain });
      tx.defer({ ...insert(1), explain });
      tx.defer(insert(2));
    };
    await expect(runCommit(database.pool, work)).rejects.toMatchObject({
      ...{ message: "kept already", cause: { code: "23505" } },
    });
    const looking = (tx: TransactionClient) => work(tx).then(() => tx.query(status));
    await expect(runCommit(database.pool, looking)).rejects.toThrow("kept already");
    expect(await ids()).toEqual([]);
  });

  test("has committed whatever becomes of what is read afterwards", async () => {
    const broken = { after: { text: "select 1 / 0" } };
    const { after } = await runCommit(database.pool, (tx) => tx.query(insert(1)), broken);
    expect([after, await ids()]).toEqual([undefined, [1]]);
    const gone = { after: { text: "select pg_terminate_backend(pg_backend_pid())" } };
    expect((await runCommit(database.pool, (tx) => tx.query(insert(2)), gone)).after).toBeUndefined();
    expect(await ids()).toEqual([1, 2]);
  });

  test.each<[string, (tx: TransactionClient) => Promise<unknown>, object]>([
    [
      "what the work throws",
      async (tx) => {
        await tx.query(insert(1));
        throw new RangeError("no");
      },
      { message: "no" },
    ],
    [
      "what the work throws while its first statement is under way",
      async (tx) => {
        void tx.query({ text: "insert into kept select 1 from pg_sleep(0.05)" });
        throw new RangeError("no");
      },
      { message: "no" },
    ],
    [
      "a deferred statement that fails with the next",
      async (tx) => {
        tx.defer({ text: "select 1 / 0" });
        await tx.query(insert(1));
      },
      { code: "22012" },
    ],
    [
      "a deferred statement that fails with COMMIT",
      async (tx) => {
        await tx.query(insert(1));
        tx.defer({ text: "select 1 / 0" });
      },
      { code: "22012" },
    ],
    [
      "an error that the work caught",
      async (tx) => {
        await tx.query(insert(1));
        await tx.query({ text: "select 1 / 0" }).catch(() => undefined);
      },
      { code: "internal", message: expect.stringContaining("rolled back") },
    ],
    [
      "an error of the first statement that the work caught",
      async (tx) => {
        await tx.query({ text: "select 1 / 0" }).catch(() => undefined);
        await tx.query(insert(1));
      },
      { code: "22012" },
    ],
  ])("undoes everything after %s, and gives the connection back", async (_, work, error) => {
    await expect(runCommit(database.pool, work, { after: status })).rejects.toMatchObject(error);
    expect(await ids()).toEqual([]);
    expect(database.pool.idleCount).toBe(database.pool.totalCount);
    const { rows } = await database.pool.query("select pg_current_xact_id_if_assigned() is null as idle");
    expect(rows).toEqual([{ idle: true }]);
  });

  test("holds back what is asked at once with the first statement until the transaction is begun", async () => {
    await runCommit(database.pool, (tx) => Promise.all([tx.query(insert(1)), tx.query(insert(2))]), {});
    expect(new Set((await rows()).map(({ tx }) => tx)).size).toBe(1);
    const client = await database.pool.connect();
    const transaction = new OpenTransaction(client, () => [{ text: "begin isolation level nonsense" }]);
    const both = await Promise.allSettled([transaction.query(insert(3)), transaction.query(insert(4))]);
    await transaction.rollback();
    client.release();
    expect(both.map((each) => each.status)).toEqual(["rejected", "rejected"]);
    expect(await ids()).toEqual([1, 2]);
  });

  test("runs a lost conflict again, and commits once", async () => {
    let runs = 0;
    await runCommit(
      database.pool,
      async (tx) => {
        await tx.query(insert(1));
        if (++runs === 1)
          await tx.query({ text: "do $$ begin raise exception using errcode = '40001'; end $$" });
      },
      {},
    );
    expect([runs, await ids()]).toEqual([2, [1]]);
  });

  test("tells triggers who asks, until it ends", async () => {
    const told = {
      text: `select current_setting('quartet.principal', true) as who,
        current_setting('quartet.operation_id', true) as which`,
    };
    const pool = database.openPool(undefined, { maxConnections: 1 });
    for (const principal of ["ann", "o'hara", "back\\slash", "", "né 🎻", "'; rollback; --", "cut\0"]) {
      const attribution = { principal, operationId: "op-1" };
      const { value, after } = await runCommit(pool, (tx) => tx.query(told), { attribution, after: told });
      expect(value.rows).toEqual([{ who: principal.replace("\0", ""), which: "op-1" }]);
      expect(after?.rows[0]).toEqual({ who: "", which: "" });
    }
  });

  test("lets no statement run past the deadline, is not begun later, and limits nobody else", async () => {
    const pool = database.openPool(undefined, { maxConnections: 1 });
    const slow = runCommit(pool, (tx) => tx.query({ text: "select pg_sleep(60)" }), {
      deadlineMs: Date.now() + 100,
    });
    await expect(slow).rejects.toMatchObject({ code: "deadline_exceeded" });
    let begun = false;
    const late = runCommit(pool, async () => (begun = true), { deadlineMs: Date.now() - 1 });
    await expect(late).rejects.toMatchObject({ code: "deadline_exceeded" });
    expect(begun).toBe(false);
    expect((await pool.query("show statement_timeout")).rows).toEqual([{ statement_timeout: "10s" }]);
  });

  test("whose deadline passes before its first statement does nothing", async () => {
    const late = runCommit(
      database.pool,
      async (tx) => {
        await delay(60);
        await tx.query(insert(1));
      },
      { deadlineMs: Date.now() + 50 },
    );
    await expect(late).rejects.toMatchObject({ code: "deadline_exceeded" });
    expect(await ids()).toEqual([]);
  });

  test("whose connection is lost before COMMIT is unavailable, and the pool goes on", async () => {
    const lost = runCommit(
      database.pool,
      async (tx) => {
        await tx.query(insert(1));
        const { rows } = await tx.query<{ pid: number }>({ text: "select pg_backend_pid() as pid" });
        await database.query("select pg_terminate_backend($1, 5000)", [rows[0]?.pid]);
      },
      { after: status },
    );
    await expect(lost).rejects.toMatchObject({ code: "unavailable", cause: expect.any(Error) });
    expect(await ids()).toEqual([]);
  });
});
