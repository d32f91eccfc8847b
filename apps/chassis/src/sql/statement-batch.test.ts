import type { PoolClient } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { runStatements } from "./statement-batch.ts";

let database: TestDatabase;
let client: PoolClient;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create table kept (id int primary key)");
});
afterAll(() => database[Symbol.asyncDispose]());

beforeEach(async () => {
  await database.query("truncate kept");
  client = await database.pool.connect();
});
afterEach(() => client.release());

const insert = (id: number) => ({
  name: "insert",
  text: "insert into kept values ($1) returning id",
  values: [id],
});
const kept = async () =>
  (await database.query<{ id: number }>("select id from kept order by id")).map(({ id }) => id);

describe("runStatements", () => {
  test("gives the results of all in order, read as the pool reads them", async () => {
    const results = await runStatements(client, [
      { text: "select 1::int8 as n" },
      { name: "two rows", text: "select n, $1::text as t from generate_series(1, 2) n", values: ["x"] },
      { text: "" },
      { text: "set local lock_timeout = 1" },
      insert(7),
    ]);
    expect(results.map(({ command, rows }) => [command, rows])).toEqual([
      ["SELECT", [{ n: 1n }]],
      [
        "SELECT",
        [
          { n: 1, t: "x" },
          { n: 2, t: "x" },
        ],
      ],
      [null, []],
      ["SET", []],
      ["INSERT", [{ id: 7 }]],
    ]);
    expect(await kept()).toEqual([7]);
  });

  test("leaves the rows of quiet ones out, and counts them", async () => {
    const loud = { name: "some rows", text: "select n from generate_series(1, 3) n" };
    const results = await runStatements(client, [
      { ...loud, quiet: true },
      loud,
      { ...insert(1), quiet: true },
    ]);
    expect(results.map(({ rowCount, rows }) => [rowCount, rows.length])).toEqual([
      ...[
        [3, 0],
        [3, 3],
        [1, 0],
      ],
    ]);
  });

  test("is one round trip", async () => {
    const writes = countWrites(client);
    await runStatements(client, [{ text: "begin" }, insert(1), insert(2), { text: "commit" }]);
    expect(writes()).toBe(1);
    expect(await kept()).toEqual([1, 2]);
  });

  test("does not run what is behind one that failed, and undoes what was before it without a transaction", async () => {
    const failing = runStatements(client, [insert(1), { text: "select 1 / 0" }, insert(2)]);
    await expect(failing).rejects.toMatchObject({ code: "22012" });
    expect(await kept()).toEqual([]);
  });

  test("does not run what is behind a BEGIN that failed", async () => {
    const failing = runStatements(client, [{ text: "begin isolation level nonsense" }, insert(1)]);
    await expect(failing).rejects.toMatchObject({ code: "42601" });
    expect(await kept()).toEqual([]);
  });

  test("gives what succeeded when only one behind what is needed failed", async () => {
    const some = [insert(1), { text: "select 1 / 0" }, insert(2)];
    const within = [{ text: "begin" }, insert(3), { text: "commit" }, ...some];
    expect((await runStatements(client, within, 3)).map(({ command }) => command)).toEqual([
      ...["BEGIN", "INSERT", "COMMIT", "INSERT"],
    ]);
    await expect(runStatements(client, some, 2)).rejects.toMatchObject({ code: "22012" });
    expect(await kept()).toEqual([3]);
  });

  test("prepares what has a name once, also when its first time was skipped", async () => {
    const failing = runStatements(client, [{ text: "select 1 / 0" }, insert(1)]);
    await expect(failing).rejects.toMatchObject({ code: "22012" });
    await runStatements(client, [insert(1), insert(2)]);
    await client.query(insert(3));
    await runStatements(client, [insert(4)]);
    expect(await kept()).toEqual([1, 2, 3, 4]);
    const { rows } = await client.query(
      "select count(*)::int as n from pg_prepared_statements where name = 'insert'",
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  test("with a name of another text is refused before anything is sent, as the statement explains it, and the connection goes on", async () => {
    await client.query(insert(1));
    const other = { name: "insert", text: "delete from kept" };
    const writes = countWrites(client);
    const explain = (error: unknown) => new RangeError("explained", { cause: error });
    const refused = runStatements(client, [
      { name: "first", text: "select 1" },
      { ...other, explain },
      insert(2),
    ]);
    await expect(refused).rejects.toMatchObject({
      message: "explained",
      cause: { code: "internal", message: expect.stringContaining('"insert"') },
    });
    await expect(runStatements(client, [other])).rejects.toMatchObject({ code: "internal" });
    expect(writes()).toBe(0);
    // What was refused has not been prepared.
    await runStatements(client, [{ name: "first", text: "select 2" }, insert(3)]);
    expect(await kept()).toEqual([1, 3]);
  });

  test("that gives one name to two texts is refused before anything is sent", async () => {
    const twice = [
      { name: "twice", text: "insert into kept values (1)" },
      { name: "twice", text: "insert into kept values (2)" },
    ];
    for (const statements of [twice, twice.toReversed()]) {
      await expect(runStatements(client, statements)).rejects.toMatchObject({
        code: "internal",
        message: expect.stringContaining('"twice"'),
      });
    }
    await runStatements(client, twice.slice(1));
    expect(await kept()).toEqual([2]);
  });

  test("whose name of another text is behind what is needed gives what is before it", async () => {
    await client.query(insert(1));
    const other = { name: "insert", text: "delete from kept" };
    const results = await runStatements(client, [insert(2), other, insert(3)], 1);
    expect(results.map(({ command }) => command)).toEqual(["INSERT"]);
    expect(await kept()).toEqual([1, 2]);
  });

  test("with a value that cannot be sent fails with what it threw, and the connection goes on", async () => {
    const unsendable = {
      toPostgres: () => {
        throw new RangeError("no such value");
      },
    };
    const failing = runStatements(client, [
      { text: "select 1" },
      { name: "unsendable", text: "select $1::text", values: [unsendable] },
      insert(1),
    ]);
    await expect(failing).rejects.toThrow("no such value");
    await runStatements(client, [{ name: "unsendable", text: "select $1::text", values: ["x"] }, insert(2)]);
    expect(await kept()).toEqual([2]);
  });

  test("that the server refuses at its end, behind all statements, fails", async () => {
    await database.query("create table later (id int unique deferrable initially deferred)");
    const twice = { text: "insert into later values (1)" };
    await expect(runStatements(client, [twice, twice])).rejects.toMatchObject({ code: "23505" });
    expect(await database.query("select from later")).toEqual([]);
  });

  test("copies nothing in, drops what is copied out, and goes on", async () => {
    const copyOut = { text: "copy (select 1) to stdout" };
    expect((await runStatements(client, [copyOut, insert(1)])).map(({ command }) => command)).toEqual([
      ...["COPY", "INSERT"],
    ]);
    await expect(runStatements(client, [{ text: "copy kept from stdin" }])).rejects.toMatchObject({
      code: "57014",
    });
    await runStatements(client, [insert(2)]);
    expect(await kept()).toEqual([1, 2]);
  });

  test("with a row that cannot be read fails with that, and the connection goes on", async () => {
    const other = await database.connect();
    other.setTypeParser(23, () => {
      throw new RangeError("no such number");
    });
    await expect(runStatements(other, [{ text: "select 1 as n" }, insert(1)])).rejects.toThrow(
      "no such number",
    );
    expect((await runStatements(other, [{ text: "select 'x' as t" }]))[0]?.rows).toEqual([{ t: "x" }]);
  });

  test("that is not answered in time fails, with what is known of it", async () => {
    const pool = database.openPool(undefined, { maxConnections: 1, statementTimeoutMs: 60_000 });
    const frozen = Object.assign(await pool.connect(), {});
    (
      frozen as unknown as { connectionParameters: { query_timeout: number } }
    ).connectionParameters.query_timeout = 50;
    const sleep = { text: "select pg_sleep(0.2)" };
    await expect(runStatements(frozen, [insert(1), sleep])).rejects.toThrow("Query read timeout");
    frozen.release(true);
  });

  test("whose connection is lost fails, and so does the next one on it", async () => {
    const lost = await database.connect();
    lost.on("error", () => undefined);
    const [{ pid } = { pid: 0 }] = (await lost.query<{ pid: number }>("select pg_backend_pid() as pid")).rows;
    const sleeping = runStatements(lost, [{ text: "select pg_sleep(60)" }, insert(1)]);
    const failed = expect(sleeping).rejects.toThrow();
    await database.query("select pg_terminate_backend($1, 5000)", [pid]);
    await failed;
    await expect(runStatements(lost, [insert(2)])).rejects.toThrow();
    expect(await kept()).toEqual([]);
  });
});

/** Counts what is written to the socket, which is what a round trip costs. */
function countWrites(connection: PoolClient): () => number {
  const { stream } = (
    connection as unknown as { connection: { stream: { write: (...args: never[]) => unknown } } }
  ).connection;
  const write = stream.write.bind(stream);
  let count = 0;
  stream.write = (...args) => {
    count += 1;
    return write(...args);
  };
  return () => count;
}
