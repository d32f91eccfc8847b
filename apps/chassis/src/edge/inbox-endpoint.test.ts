import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { receiveEvent } from "../command/receive-event.ts";
import { IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import { inboxSql } from "../inbox/inbox-ddl.ts";
import { push, testEvent } from "../inbox/test-push.ts";
import { createEventId, deriveReplyId } from "../outbox/event-id.ts";
import { createKeptTables, NoteSchema, PlainSchema } from "../pbtable/history/test-history.ts";
import { createTableSql } from "../pbtable/table-ddl.ts";
import { systemTables } from "../schema/system-tables.ts";
import { type CloudEvent, decodeCloudEvents } from "../wire/cloud-event/cloud-event.ts";
import { type InboxProcess, openInboxProcess } from "./test-inbox-runtime.ts";

let database: TestDatabase;
let crud: InboxProcess;
let lambda: InboxProcess;

beforeAll(async () => {
  database = await openTestDatabase();
  await createKeptTables(database, [NoteSchema, PlainSchema]);
  for (const sql of [...systemTables.map(createTableSql), ...inboxSql]) await database.query(sql);
  [crud, lambda] = await Promise.all([openInboxProcess(database.url()), openInboxProcess(undefined)]);
});
afterAll(async () => {
  for (const each of [lambda, crud, database]) await each?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await database.query("truncate kept.plain, quartet.outbox, quartet.inbox");
});

/** A note for a reaction. */
function note(reaction: string, text: string, more: Partial<CloudEvent> = {}, key = "n"): CloudEvent {
  const data = Buffer.from(JSON.stringify({ id: key, text }));
  const { extensions, ...rest } = more;
  const all = { quartetsubscription: `reaction/${reaction}`, ...extensions };
  return testEvent(createEventId(), { type: "kept.v1.Note", data, ...rest, extensions: all }, key);
}

const textOf = async (id = "n") =>
  (await database.query<{ text: string }>("select text from kept.plain where id = $1", [id]))[0]?.text;

const prefer = { headers: { prefer: "reply" } };

/** The events that a lambda answers with. */
async function repliesTo(event: CloudEvent): Promise<readonly CloudEvent[]> {
  const answer = await push(lambda.url, "structured", [event], prefer);
  expect(answer.status).toBe(200);
  return decodeCloudEvents(Object.fromEntries(answer.headers), new Uint8Array(await answer.arrayBuffer()));
}

describe("a lambda, without any database", () => {
  test("answers an event with the events of its reaction, under the ids that a relay gives them", async () => {
    const event = note("tell", "hello", { extensions: { traceparent: "00-1-2-01" } });
    const replies = await repliesTo(event);
    expect(replies.map(({ id }) => id)).toEqual(
      [0, 1].map((ordinal) => deriveReplyId(event.id, "reaction/tell", ordinal)),
    );
    expect(replies.map(({ data }) => JSON.parse(String(Buffer.from(data ?? []))) as JsonValue)).toMatchObject(
      [{ sku: "first hello" }, { sku: "second hello" }],
    );
    const common = { causationid: event.id, traceparent: "00-1-2-01" };
    expect(replies.map((reply) => ({ ...reply.extensions }))).toEqual([
      { ...common, partitionkey: "told" },
      { ...common, partitionkey: event.id, quartetdeliverafter: "2040-01-01T00:00:00.000Z" },
    ]);
    expect(await repliesTo(event)).toMatchObject(replies.map(({ id, data }) => ({ id, data })));
  });

  test("answers with its writes as one intent, whose effect happens once, whichever class gets the event too", async () => {
    const event = note("store", "hello");
    const [intent, ...others] = await repliesTo(event);
    expect([intent?.type, intent?.extensions["partitionkey"], others]).toEqual([
      IntentSchema.typeName,
      "n",
      [],
    ]);
    const scope = { principal: "relay", deadlineMs: Date.now() + 5_000, signal: AbortSignal.timeout(5_000) };
    const received = {
      ...{ subscription: "intents", id: intent?.id ?? "", type: IntentSchema.typeName, key: "n", attempt: 1 },
      ...{ time: new Date(), position: undefined, traceparent: undefined },
      data: JSON.parse(String(Buffer.from(intent?.data ?? []))) as JsonValue,
    };
    for (let time = 0; time < 2; time++) await receiveEvent(crud.runtime, received, scope);
    expect((await push(crud.url, "structured", [event])).status).toBe(204);
    expect(await textOf()).toBe("hello");
    const published = await database.query(
      "select payload->>'sku' as sku from quartet.outbox order by place",
    );
    expect(published).toEqual([{ sku: "stored hello" }, { sku: "beside hello" }]);
  });

  test("of which the crud class did the work before is answered in vain", async () => {
    const event = note("store", "hello");
    expect((await push(crud.url, "structured", [event])).status).toBe(204);
    const published = await database.query("select id from quartet.outbox order by place");
    const [intent] = await repliesTo(event);
    await push(crud.url, "structured", [
      { ...intent, extensions: { quartetsubscription: "intents" } } as CloudEvent,
    ]);
    expect(await textOf()).toBe("hello");
    expect(await database.query("select id from quartet.outbox order by place")).toEqual(published);
  });

  test("publishes with the same ids as crud does", async () => {
    const event = note("tell", "hello");
    const replies = await repliesTo(event);
    for (let time = 0; time < 2; time++) await push(crud.url, "structured", [event]);
    const rows = await database.query(
      "select id, aggregateid, deliver_after from quartet.outbox order by place",
    );
    expect(rows).toEqual([
      { id: replies[0]?.id, aggregateid: "told", deliver_after: null },
      { id: replies[1]?.id, aggregateid: event.id, deliver_after: new Date("2040-01-01T00:00:00Z") },
    ]);
  });

  test.each<[string, number, string, string]>([
    ["look", 501, "unimplemented", 'The reaction "look" reads, and a lambda has no database.'],
    ["none", 501, "unimplemented", "No reaction here takes kept.v1.Note as reaction/none."],
  ])("says of the reaction %s what is wrong", async (name, status, code, detail) => {
    const answer = await push(lambda.url, "structured", [note(name, "x")], prefer);
    expect([answer.status, await answer.json()]).toEqual([status, expect.objectContaining({ code, detail })]);
  });

  test("answers nothing where there is nothing, and refuses to lose what there is", async () => {
    expect((await push(lambda.url, "structured", [note("idle", "x")])).status).toBe(204);
    const lost = await push(lambda.url, "structured", [note("tell", "x")]);
    expect([lost.status, await lost.json()]).toEqual([421, expect.objectContaining({ field: "Prefer" })]);
    const several = await push(lambda.url, "batch", [note("tell", "x"), note("tell", "y")], prefer);
    expect(several.status).toBe(422);
    expect((await push(lambda.url, "batch", [note("tell", "x")], prefer)).status).toBe(200);
  });

  test("without a secret has the relay wait", async () => {
    await using process = await openInboxProcess(undefined, []);
    const answer = await push(process.url, "structured", [note("idle", "x")]);
    expect([answer.status, await answer.json()]).toEqual([
      421,
      expect.objectContaining({ fix: expect.stringContaining("QUARTET_SECRET") }),
    ]);
  });

  test("takes none that is not signed", async () => {
    const secret = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
    expect((await push(lambda.url, "structured", [note("idle", "x")], { secret })).status).toBe(401);
    expect((await push(lambda.url, "binary", [note("idle", "x")])).status).toBe(422);
  });
});

describe("the inbox of the crud class", () => {
  test("takes a batch in the order of its keys, and says which events failed", async () => {
    const events = [
      note("plain", "a", {}, "one"),
      note("plain", "refused", {}, "two"),
      note("plain", "b", {}, "one"),
      note("plain", "late", {}, "two"),
      note("plain", "c", {}, "three"),
      note("plain", "d", {}, "one"),
    ];
    const answer = await push(crud.url, "batch", events);
    expect([answer.status, await answer.json()]).toEqual([
      200,
      {
        batchItemFailures: [
          expect.objectContaining({ itemIdentifier: events[1]?.id, status: 500 }),
          expect.objectContaining({ itemIdentifier: events[3]?.id, status: 425 }),
        ],
      },
    ]);
    expect([await textOf("one"), await textOf("two"), await textOf("three")]).toEqual([
      "a, b, d",
      undefined,
      "c",
    ]);
    expect((await push(crud.url, "batch", events.slice(0, 1))).status).toBe(204);
    expect(await textOf("one")).toBe("a, b, d");
  });

  test("believes the attempt that is signed, and else the header's", async () => {
    const headers = { "quartet-attempt": "2" };
    await push(crud.url, "structured", [note("plain", "a", { extensions: { quartetattempt: "1" } })], {
      headers,
    });
    await push(crud.url, "structured", [note("plain", "b")], { headers });
    await push(crud.url, "structured", [note("plain", "c", { extensions: { quartetattempt: "3" } })]);
    expect(await textOf()).toBe("a, b again, c again");
  });

  test("fetches data by reference, and has the event come again when it cannot", async () => {
    let status = 500;
    const server = createServer((_, response) => {
      response
        .writeHead(status, { "content-type": "application/json" })
        .end('{"id": "n", "text": "fetched"}');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo; // It listens on TCP.
    const { data: _, ...event } = note("plain", "", {
      extensions: { dataref: `http://127.0.0.1:${port}/events/7` },
    });
    const refer = () => push(crud.url, "structured", [{ ...event, data: undefined }]);
    const refused = await refer();
    expect([refused.status, await refused.json()]).toEqual([
      503,
      expect.objectContaining({ field: "dataref", detail: expect.stringContaining("answered 500") }),
    ]);
    status = 200;
    expect((await refer()).status).toBe(204);
    expect(await textOf()).toBe("fetched");
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const local = note("plain", "", { extensions: { dataref: "file:///etc/passwd" } });
    expect((await push(crud.url, "structured", [{ ...local, data: undefined }])).status).toBe(422);
  });

  test("reads data in the wire format of protobuf", async () => {
    const data = toBinary(NoteSchema, create(NoteSchema, { id: "n", text: "binary" }));
    const event = note("plain", "", { data, dataContentType: "application/protobuf" });
    expect((await push(crud.url, "structured", [event])).status).toBe(204);
    expect(await textOf()).toBe("binary");
  });

  test("refuses data that are none", async () => {
    const event = note("plain", "", { data: Buffer.from("no"), dataContentType: "text/plain" });
    const answer = await push(crud.url, "structured", [event]);
    expect([answer.status, await answer.json()]).toEqual([
      422,
      expect.objectContaining({ code: "unprocessable_event" }),
    ]);
  });
});
