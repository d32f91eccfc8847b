import { Kysely, PostgresDialect } from "kysely";
import { Client, Pool, type PoolClient, Query } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { runStatements } from "../sql/statement-batch.ts";
import { createInbox } from "./create-inbox.ts";
import type { InboxEvent } from "./inbox-event.ts";
import type { InboxOptions } from "./inbox-options.ts";
import { createEffects, insertEffect, openTestHost, readEffects } from "./test-inbox.ts";
import { push, testEvent, testSecret } from "./test-push.ts";

type Handle = NonNullable<InboxOptions["handle"]>;
type Kind = "handle" | "sideBySide" | "handleBatch";

const tooLate = { code: "internal", message: "A statement came when its transaction had ended." };
const kinds: readonly (readonly [Kind, pipeline: boolean])[] = [
  ["handle", false],
  ["handle", true],
  ["sideBySide", true],
  ["handleBatch", false],
  ["handleBatch", true],
];

let database: TestDatabase;
/** Of one connection each, so that what is late meets the next transaction on it. */
let pools: readonly [plain: Pool, pipelined: Pool];

beforeAll(async () => {
  database = await openTestDatabase();
  await createEffects(database);
  const open = (pipeline: boolean) => new Pool({ connectionString: database.url(), max: 1, pipeline });
  pools = [open(false), open(true)];
  // Their connections may still be closing when the database is dropped.
  for (const pool of pools) pool.on("error", () => undefined);
});
afterAll(async () => {
  for (const pool of pools) await pool.end();
  await database[Symbol.asyncDispose]();
});
afterEach(() => {
  for (const pool of pools) {
    expect([pool.totalCount - pool.idleCount, pool.waitingCount], "connections not given back").toEqual([
      0, 0,
    ]);
  }
});

/** A host of an inbox, and what its `onError` was told. */
async function open(kind: Kind, pipeline: boolean, handle: Handle, more: Partial<InboxOptions> = {}) {
  const reported: [unknown, string | undefined][] = [];
  const handleBatch: InboxOptions["handleBatch"] = async (tx, events) => {
    for (const event of events) await handle(tx, event);
  };
  const host = await openTestHost(
    createInbox({
      pool: pools[pipeline ? 1 : 0],
      secrets: [testSecret],
      maxTransactions: 1,
      onError: (error, event) => void reported.push([error, event?.id]),
      ...(kind === "handleBatch" ? { handleBatch } : { handle, sideBySide: kind === "sideBySide" }),
      ...more,
    } as InboxOptions),
  );
  const send = async (...ids: string[]) => {
    const answer = await push(
      host.url,
      "batch",
      ids.map((id) => testEvent(id)),
    );
    const failures = answer.status === 200 ? ((await answer.json()) as Failures).batchItemFailures : [];
    return failures.length === 0 ? [answer.status] : failures.map(({ status }) => status);
  };
  return { send, reported, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

type Failures = { readonly batchItemFailures: readonly { readonly status: number }[] };

const add = (tx: PoolClient, id: string) => tx.query(insertEffect, [id, "key", 1]);
const effects = async (prefix: string) => (await readEffects(database, prefix)).map((row) => row.event_id);
const transactions = async (prefix: string) =>
  new Set((await readEffects(database, prefix)).map((row) => row.transaction));

describe.each(kinds)("with %s on a pool of pipeline: %s, a statement", (kind, pipeline) => {
  const idOf = (name: string) => `${kind}-${pipeline}-${name}`;

  test("that comes when its transaction has ended is refused, and told, also within another's", async () => {
    const later = Promise.withResolvers<void>();
    let late: Promise<unknown> = Promise.resolve();
    const handle: Handle = async (tx, event) => {
      await add(tx, event.id);
      if (event.id.endsWith("-1")) {
        late = later.promise.then(() => add(tx, idOf("late-0"))).catch((error: unknown) => error);
      }
      if (event.id.endsWith("-2")) later.resolve();
      if (event.id.endsWith("-2")) await late;
    };
    await using host = await open(kind, pipeline, handle);
    for (const id of [idOf("late-1"), idOf("late-2")]) expect(await host.send(id)).toEqual([204]);
    expect(await late).toMatchObject({ ...tooLate, fix: expect.stringContaining("Await every statement") });
    expect(host.reported).toEqual([[await late, idOf("late-1")]]);
    expect(await effects(idOf("late"))).toEqual([idOf("late-1"), idOf("late-2")]);
  });

  test("that nobody waits for is refused without ending the process", async () => {
    const told = Promise.withResolvers<unknown>();
    const handle: Handle = async (tx) => {
      setTimeout(() => void add(tx, idOf("nobody")), 20);
    };
    await using host = await open(kind, pipeline, handle, { onError: told.resolve });
    expect(await host.send(idOf("nobody-1"))).toEqual([204]);
    expect(await told.promise).toMatchObject(tooLate);
    expect(await effects(idOf("nobody"))).toEqual([]);
  });

  test("that was not awaited is in the transaction, with those that follow from it", async () => {
    const handle: Handle = async (tx, event) => {
      void add(tx, `${event.id}-a`)
        .then(() => add(tx, `${event.id}-b`))
        .then(async () => add(tx, `${event.id}-c`));
    };
    await using host = await open(kind, pipeline, handle);
    expect(await host.send(idOf("left"))).toEqual([204]);
    expect(await effects(idOf("left"))).toEqual(["a", "b", "c"].map((name) => idOf(`left-${name}`)));
    expect((await transactions(idOf("left"))).size).toBe(1);
    expect(host.reported).toEqual([]);
  });

  test("that was not awaited and failed undoes its event, and no other", async () => {
    const handle: Handle = async (tx, event) => {
      await add(tx, event.id);
      if (event.id.endsWith("-2")) tx.query("select 1 / 0").catch(() => undefined);
    };
    await using host = await open(kind, pipeline, handle);
    const ids = [1, 2, 3].map((at) => idOf(`failed-${at}`));
    expect(await host.send(...ids)).toEqual([500]);
    expect(await effects(idOf("failed"))).toEqual([ids[0], ids[2]]);
    expect(host.reported).toMatchObject([[{ code: "internal" }, ids[1]]]);
    expect(await database.query("select from quartet.inbox where event_id = $1", [ids[1]])).toEqual([]);
  });

  test("that was not awaited and hangs has the time of its handler", async () => {
    const holder = await database.connect();
    await holder.query("begin; lock table effect in access exclusive mode");
    const handle: Handle = async (tx, event) => {
      add(tx, event.id).catch(() => undefined);
    };
    await using host = await open(kind, pipeline, handle, { handlerTimeoutMs: 200 });
    expect(await host.send(idOf("hangs"))).toEqual([504]);
    await holder.query("rollback");
    expect(await host.send(idOf("hangs"))).toEqual([204]);
    expect(await effects(idOf("hangs"))).toHaveLength(1);
  });
});

describe.each([false, true])("what a handler gets, on a pool of pipeline: %s,", (pipeline) => {
  const idOf = (name: string) => `is-${pipeline}-${name}`;

  test("takes statements in all forms of pg, and refuses each when it is late", async () => {
    const run = async (tx: PoolClient, id: string) => {
      const text = (form: string) => `insert into effect (event_id) values ('${id}-${form}')`;
      const called = (start: (callback: (error?: Error | null) => void) => void) =>
        new Promise<void>((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
      return Promise.allSettled([
        tx.query(text("text")),
        tx.query("insert into effect (event_id) values ($1)", [`${id}-values`]),
        tx.query({ name: "late config", text: insertEffect, values: [`${id}-config`, "key", 1] }),
        called((callback) => tx.query(text("callback"), callback)),
        called((callback) => tx.query(text("values and callback"), [], callback)),
        called((callback) => tx.query({ text: text("config and callback") }, callback)),
        called((callback) => tx.query(new Query(text("query"), callback))),
        called((callback) =>
          tx.query(new Query(text("events")).on("end", () => callback()).on("error", callback)),
        ),
        // A class of its own, as cursors are, which a pipelined connection of pg refuses by itself.
        pipeline ? add(tx, `${id}-own class`) : runStatements(tx, [{ text: text("own class") }]),
      ]);
    };
    let kept: PoolClient | undefined;
    let inTime: unknown;
    const handle: Handle = async (tx, event) => {
      kept = tx;
      inTime = await run(tx, event.id);
    };
    await using host = await open("handle", pipeline, handle);
    expect(await host.send(idOf("forms"))).toEqual([204]);
    expect(inTime).toEqual(Array(9).fill(expect.objectContaining({ status: "fulfilled" })));
    // It was given, or the handler would not have run.
    const late = await run(kept as PoolClient, idOf("forms-late"));
    expect(late).toEqual(Array(9).fill({ status: "rejected", reason: expect.objectContaining(tooLate) }));
    expect(await effects(idOf("forms"))).toHaveLength(9);
    expect(host.reported).toHaveLength(9);
  });

  test("keeps its connection when it is released, so that kysely runs on it", async () => {
    const handle: Handle = async (tx, event) => {
      const pool = { options: {}, connect: async () => tx, end: async () => undefined };
      const kysely = new Kysely<{ effect: { event_id: string } }>({ dialect: new PostgresDialect({ pool }) });
      for (const name of ["a", "b"]) {
        await kysely
          .insertInto("effect")
          .values({ event_id: `${event.id}-${name}` })
          .execute();
      }
      tx.release(true);
      await add(Object.create(tx, { release: { value: () => undefined } }), `${event.id}-c`);
    };
    await using host = await open("handle", pipeline, handle);
    const waiting = pools[pipeline ? 1 : 0].query("select 1");
    expect(await host.send(idOf("kysely"))).toEqual([204]);
    await waiting;
    expect(await effects(idOf("kysely"))).toHaveLength(3);
    expect((await transactions(idOf("kysely"))).size).toBe(1);
  });

  test("is a client of pg in all else", async () => {
    const seen: unknown[] = [];
    const handle: Handle = async (tx, event: InboxEvent) => {
      const notices: unknown[] = [];
      const listen = ({ message }: { readonly message?: string | undefined }) => notices.push(message);
      expect(tx.on("notice", listen)).toBe(tx);
      await tx.query("do $$ begin raise notice 'heard'; end $$");
      tx.removeListener("notice", listen);
      const { rows } = await tx.query("select pg_backend_pid() as pid");
      const { processID } = tx as unknown as { processID: number };
      seen.push(tx instanceof Client, notices, processID === rows[0].pid, tx.getTransactionStatus());
      seen.push(tx.listenerCount("notice"), tx.escapeLiteral("it's"), event.attempt);
    };
    await using host = await open("handle", pipeline, handle);
    expect(await host.send(idOf("client"))).toEqual([204]);
    expect(seen).toEqual([true, ["heard"], true, "T", 0, "'it''s'", 1]);
  });
});
