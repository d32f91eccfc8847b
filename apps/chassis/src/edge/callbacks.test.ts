import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { cancelOperation } from "../command/cancel-operation.ts";
import { deriveOperationId } from "../command/operation-id.ts";
import { timeOfEventId } from "../outbox/event-id.ts";
import { ask, type CommandHost, HeldWrites, noteDomain, openCommandHost } from "./test-command-host.ts";
import { pushAccepted } from "./test-push-accepted.ts";

let database: TestDatabase;
let host: CommandHost;

beforeAll(async () => {
  database = await openTestDatabase();
  const domain = noteDomain(new HeldWrites());
  await applySchema(domain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  host = await openCommandHost(database.url());
});
afterAll(async () => {
  for (const each of [host, database]) await each?.[Symbol.asyncDispose]();
});

let id: string;
let key: string;
beforeEach(() => {
  id = randomUUID();
  key = randomUUID();
});

const callbackUrl = "https://client.example/done?x=1";
const asking = (url = callbackUrl) => ({ "idempotency-key": key, "quartet-callback": url });
const add = (text: string, headers: Record<string, string> = asking(), path = "/v1/notes") =>
  ask("POST", host.url + path, headers, { id, text });
const operationOf = (method: string) =>
  deriveOperationId(Buffer.alloc(32), { principal: "anonymous", method: `note.v1.Things/${method}`, key });

interface Ending {
  readonly id: string;
  readonly correlationid: string;
  readonly payload: {
    readonly callbackUrl: string;
    readonly record: {
      readonly state: string;
      readonly acceptTime: string;
      readonly problem?: { readonly code: string };
    };
  };
}

const endings = (operationId: string) =>
  database.query<Ending & Record<string, unknown>>(
    "select id::text, correlationid, payload from quartet.outbox where type = 'quartet.v1.OperationEnded' and aggregateid = $1",
    [operationId],
  );

describe("the end of a command whose client wants to be called back is published", () => {
  test("with its effects, once, at the time of the command", async () => {
    expect((await add("tea")).status).toBe(200);
    expect((await add("tea")).headers["idempotency-replayed"]).toBeDefined();
    // The first request with the key has said where.
    expect((await add("tea", asking("https://another.example/"))).status).toBe(200);
    const [ending, ...others] = await endings(operationOf("Add"));
    expect(others).toEqual([]);
    expect(ending).toMatchObject({
      correlationid: operationOf("Add"),
      payload: { callbackUrl, record: { state: "OPERATION_STATE_COMMITTED", response: { id } } },
    });
    expect(timeOfEventId(ending?.id ?? "")).toBe(Date.parse(ending?.payload.record.acceptTime ?? ""));
  });

  test("when it is refused", async () => {
    expect((await add("refused")).status).toBe(412);
    await add("refused");
    expect(await endings(operationOf("Add"))).toMatchObject([
      { payload: { record: { state: "OPERATION_STATE_FAILED", problem: { code: "failed_precondition" } } } },
    ]);
  });

  test("when it was accepted first, and decided later", async () => {
    expect((await add("tea", asking(), "/v1/notes:later")).status).toBe(202);
    expect(await endings(operationOf("AddLater"))).toEqual([]);
    for (let times = 0; times < 2; times++) await pushAccepted(database, host.runtime, "decisions", id);
    expect(await endings(operationOf("AddLater"))).toMatchObject([
      { payload: { callbackUrl, record: { state: "OPERATION_STATE_COMMITTED" } } },
    ]);
  });

  test("when it was canceled before it was known where its end is to be told", async () => {
    expect((await add("tea", asking(), "/v1/notes:later")).status).toBe(202);
    // As when a micro has accepted it: the primary knows nothing of it yet.
    await database.query("delete from quartet.operation where operation_id = $1", [operationOf("AddLater")]);
    await cancelOperation(host.runtime, operationOf("AddLater"), "anonymous");
    expect(await endings(operationOf("AddLater"))).toEqual([]);
    for (let times = 0; times < 2; times++) await pushAccepted(database, host.runtime, "operations", id);
    await pushAccepted(database, host.runtime, "decisions", id);
    expect(await endings(operationOf("AddLater"))).toMatchObject([
      { payload: { callbackUrl, record: { problem: { code: "canceled" } } } },
    ]);
  });

  test("and of one that asks for none, nothing", async () => {
    await add("tea", { "idempotency-key": key });
    expect(await endings(operationOf("Add"))).toEqual([]);
  });
});

test.each([
  "http://127.0.0.1:9/",
  "http://0x7f000001/",
  "http://localhost:8080",
  "http://api.localhost.",
  "http://[::1]/",
  "http://169.254.169.254/",
  "file:///etc/passwd",
  "client.example",
  "https://me:hush@client.example",
  "https://client.example/#part",
  `https://client.example/${"x".repeat(2_000)}`,
  "https://one.example, https://two.example",
])("a callback to %s is refused, and nothing is done", async (url) => {
  const { status, json, text } = await add("tea", asking(url));
  expect([status, json.code, json.field]).toEqual([400, "invalid_argument", "Quartet-Callback"]);
  expect(text).not.toContain("hush");
  expect(await database.query("select from note.notes where id = $1", [id])).toEqual([]);
});

test("a command without a key takes no callback", async () => {
  const { status, json } = await add("tea", { "quartet-callback": callbackUrl });
  expect([status, json.field]).toEqual([400, "Quartet-Callback"]);
});
