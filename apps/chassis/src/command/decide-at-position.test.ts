import { afterAll, beforeAll, expect, test } from "vitest";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import type { OpenRuntime } from "../edge/open-runtime.ts";
import { formatPosition, parsePosition } from "../position/position.ts";
import { ReplayWatcher } from "../position/replay-watcher.ts";
import { takePosition } from "../position/take-position.ts";
import { decideCommand } from "./decide.ts";
import type { Runtime } from "./runtime.ts";
import { callOf, openLedger, readValue } from "./test-decisions.ts";

let server: TestServer;
let database: TestDatabase;
let crud: OpenRuntime;
let micro: Runtime;
let replay: (action: "pause" | "resume") => Promise<unknown>;

beforeAll(async () => {
  server = await openTestServer("full");
  database = await server.openDatabase();
  crud = await openLedger(database);
  const url = server.postgres.replica?.url(database.name) ?? "";
  const pool = database.openPool(undefined, { url });
  replay = (action) => pool.query(`select pg_wal_replay_${action}()`);
  const found = { ...crud.found, serviceClass: "micro" as const };
  if (crud.main === undefined) throw new Error("it has a database");
  micro = {
    ...crud,
    found,
    main: { ...crud.main, pool, replay: new ReplayWatcher(pool), writer: undefined },
  };
  const there = () =>
    pool.query("select from ledger.red").then(
      () => true,
      () => undefined,
    );
  expect(await pollUntil(there, { timeoutMs: 10_000, intervalMs: 20 })).toBe(true);
});
afterAll(async () => {
  await crud[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** What a command finds under an id, when it is sent with a position. */
async function find(runtime: Runtime, id: string, position: string | undefined): Promise<unknown> {
  let found: unknown;
  const call = callOf(crud, `find ${id}`, async (ctx) => {
    found = (await readValue(ctx as never, "red", id)) ?? "nothing";
  });
  await decideCommand(runtime, { ...call, position });
  return found;
}

test("a command is decided at or past the position that it was sent with, or elsewhere", async () => {
  await replay("pause");
  try {
    await database.query(`insert into ledger.red (pb) values ('{"id":"a","value":"mine"}')`);
    const position = await takePosition(database.pool);
    expect(await find(micro, "a", undefined)).toBe("nothing");
    await expect(find(micro, "a", position)).rejects.toMatchObject({ code: "stale" });
    await replay("resume");
    expect(await find(micro, "a", position)).toBe("mine");
    const future = parsePosition(position);
    expect(await find(crud, "a", formatPosition({ ...future, lsn: future.lsn + 2n ** 40n }))).toBe("mine");
  } finally {
    await replay("resume");
  }
});
