import { create, createRegistry, type JsonValue } from "@bufbuild/protobuf";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { type OpenRuntime, openRuntime } from "../edge/open-runtime.ts";
import { inboxSql } from "../inbox/inbox-ddl.ts";
import { createKeptTables, NoteSchema, PlainSchema } from "../pbtable/history/test-history.ts";
import { createTableSql } from "../pbtable/table-ddl.ts";
import { declareSubscriptions } from "../relay/subscription/declare-subscriptions.ts";
import { systemTables } from "../schema/system-tables.ts";
import type { LooseMessage } from "../schema/test-schema.ts";
import { defineDomain } from "../service/domain.ts";
import { onChange } from "../service/on-change.ts";
import { write } from "../service/write.ts";
import { receiveEvent } from "./receive-event.ts";
import type { ReceivedEvent } from "./received-event.ts";

/** Keeps a copy of every note, under its text before and after. */
const copyNote = write(PlainSchema, async (tx, plain) => {
  const { id, text } = plain as LooseMessage;
  const copies = tx.table(PlainSchema);
  if (!(await copies.insertIfAbsent({ id, text }))) {
    await copies.update(
      String(id),
      (draft) => void Object.assign(draft, { text: `${(draft as LooseMessage)["text"]}, ${text}` }),
    );
  }
  return create(PlainSchema, { id, text });
});

const textOf = (message: unknown) => (message as LooseMessage | undefined)?.["text"] ?? "nothing";

const domain = defineDomain({
  name: "kept",
  schema: createRegistry(NoteSchema, PlainSchema),
  services: [],
  writes: [copyNote],
  reactions: [
    onChange(NoteSchema, "copy_note", async (ctx, { before, after, version, login, changeTime }) => {
      if (Math.abs(Date.now() - changeTime.getTime()) > 60_000) throw new Error("the time is wrong");
      const text = `${textOf(before)} to ${textOf(after)} at ${version} by ${login}`;
      ctx.write(copyNote, { id: ctx.event.key, text });
    }),
  ],
});

let database: TestDatabase;
let runtime: OpenRuntime | undefined;

beforeAll(async () => {
  database = await openTestDatabase();
  await createKeptTables(database, [NoteSchema, PlainSchema]);
  for (const table of systemTables) await database.query(createTableSql(table));
  for (const sql of inboxSql) await database.query(sql);
  runtime = await openRuntime({
    domain,
    databaseUrl: database.url(),
    eventsDatabaseUrl: undefined,
    upstreams: { crud: [], micro: [], nano: [], lambda: [] },
    secret: Buffer.alloc(32),
    maxConnections: 2,
    log: pino({ level: "silent" }),
    expected: "crud",
    allowSurplus: true,
  });
});
afterAll(async () => {
  await runtime?.[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

interface OutboxRow {
  readonly id: string;
  readonly aggregateid: string;
  readonly type: string;
  readonly payload: JsonValue;
}

const outboxRows = () =>
  database.query<OutboxRow>("select id, aggregateid, type, payload from quartet.outbox order by place");

/** What the relay makes of an outbox row for a subscription. */
function pushed(row: OutboxRow, changes: Partial<ReceivedEvent> = {}): ReceivedEvent {
  return {
    subscription: "reaction/copy_note",
    id: row.id,
    type: row.type,
    key: row.aggregateid,
    time: new Date(),
    attempt: 1,
    position: undefined,
    traceparent: undefined,
    data: row.payload,
    ...changes,
  };
}

async function receive(event: ReceivedEvent): Promise<void> {
  if (runtime === undefined) throw new Error("there is no runtime");
  const scope = { principal: "relay", deadlineMs: Date.now() + 5_000, signal: AbortSignal.timeout(5_000) };
  await receiveEvent(runtime, event, scope);
}

describe("a reaction to changes of a table", () => {
  test("is subscribed to their type", () => {
    expect(declareSubscriptions(domain).at(-1)).toMatchObject({
      name: "reaction/copy_note",
      types: ["kept.v1.Note.changed"],
    });
  });

  test("gets each change of any writer as messages, and has its effect once", async () => {
    await database.query(
      `insert into kept.notes (pb) values ('{"id": "n", "text": "one", "future": {"a": null}}')`,
    );
    await database.query(`update kept.notes set version = 2, pb = pb || '{"text": "two"}'`);
    await database.query("delete from kept.notes");
    for (const row of await outboxRows()) {
      await receive(pushed(row));
      await receive(pushed(row, { attempt: 2 }));
    }
    const [copy] = await database.query<{ text: string }>("select text from kept.plain where id = 'n'");
    expect(copy?.text.split(", ")).toEqual([
      "nothing to one at 1 by postgres",
      "one to two at 2 by postgres",
      "two to nothing at 2 by postgres",
    ]);
  });

  test("refuses an event of another type, and data that are no change of the table", async () => {
    const [row] = await outboxRows();
    if (row === undefined) throw new Error("nothing was published");
    await expect(receive(pushed(row, { type: "quartet.v1.RowChange" }))).rejects.toMatchObject({
      code: "unimplemented",
    });
    const { after, ...rest } = row.payload as { after: Record<string, JsonValue> };
    const other = { ...after, "@type": "type.googleapis.com/kept.v1.Plain" };
    for (const data of [rest, { ...rest, after: other }, { ...rest, version: "much" }]) {
      await expect(receive(pushed(row, { id: "new", data: data as JsonValue }))).rejects.toMatchObject({
        code: "unprocessable_event",
      });
    }
  });
});
