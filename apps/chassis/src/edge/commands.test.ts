import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { deriveOperationId } from "../command/operation-id.ts";
import { parsePosition } from "../position/position.ts";
import { ask, type CommandHost, HeldWrites, noteDomain, openCommandHost } from "./test-command-host.ts";
import { pushAccepted } from "./test-push-accepted.ts";

let database: TestDatabase;
let held: HeldWrites;
let host: CommandHost;
let other: CommandHost;

beforeAll(async () => {
  database = await openTestDatabase();
  held = new HeldWrites();
  await applySchema(noteDomain(held), { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  host = await openCommandHost(database.url(), held);
  other = await openCommandHost(database.url(), held, "second");
});
afterAll(async () => {
  for (const each of [other, host, database]) await each?.[Symbol.asyncDispose]();
});
let id: string;
let key: string;
beforeEach(() => {
  id = randomUUID();
  key = randomUUID();
  held.isOpen = false;
});

const surfaces = { REST: "/v1/notes", Connect: "/note.v1.Things/Add" } as const;
const keyed = (more: Record<string, string> = {}) => ({ "idempotency-key": `"${key}"`, ...more });
const add = (text: string, headers = keyed(), at = host, path: string = surfaces.REST) =>
  ask("POST", at.url + path, headers, { id, text });
const timesAdded = async () =>
  (await database.query<{ times: bigint }>("select times from note.notes where id = $1", [id]))[0]?.times;
const recordOf = async () =>
  (
    await database.query<{ pb: Record<string, never> }>(
      "select pb from quartet.operation where pb->'response'->>'id' = $1",
      [id],
    )
  )[0]?.pb ?? {};
const walLocation = async () => {
  const [row] = await database.query<{ at: string }>(
    "select lpad(to_hex((pg_current_wal_lsn() - '0/0')::bigint), 16, '0') as at",
  );
  return row?.at ?? "";
};
const operationOf = (method: string, principal = "anonymous") =>
  deriveOperationId(Buffer.alloc(32), { principal, method, key });
const addLaterId = () => operationOf("note.v1.Things/AddLater");

const pushIt = (subscription: "operations" | "decisions") =>
  pushAccepted(database, host.runtime, subscription, id);

test("a request without a key is answered in one piece, and what it did is no operation to ask for", async () => {
  const answer = await add("tea", {} as never);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.headers).toMatchObject({ "content-length": String(Buffer.byteLength(answer.text)) });
  expect(answer.headers).not.toHaveProperty("transfer-encoding");
  const [event] = await database.query<{ correlationid: string }>(
    "select correlationid from quartet.outbox where aggregateid = $1",
    [id],
  );
  const asked = await ask("GET", `${host.url}/operations/${event?.correlationid}`);
  expect(asked.status, asked.text).toBe(404);
});

describe("a request with a key that was used", () => {
  for (const [name, path] of Object.entries(surfaces)) {
    test(`gets the first answer byte for byte over ${name}, also what this build would print differently`, async () => {
      const first = await add("tea", keyed(), host, path);
      expect(first.status, first.text).toBe(200);
      // As an older build printed it, or a newer one.
      await database.query(
        `update quartet.operation set pb = pb || jsonb_build_object('answerJson', (pb->>'answerJson') || ' ', 'answerStatus', $2::int)
         where pb->'response'->>'id' = $1`,
        [id, name === "REST" ? 201 : 200],
      );
      const again = await add("tea", keyed(), other, path);
      expect(again.text).toBe(`${first.text} `);
      expect(again.status).toBe(name === "REST" ? 201 : 200);
      expect(again.headers).toMatchObject({
        "idempotency-replayed": "true",
        etag: expect.stringMatching(/^"1/),
      });
      expect(again.headers["quartet-position"]).toBeDefined();
      expect(await timesAdded()).toBe(1n);
    });
  }

  test("gets the answer of a build that printed none, printed anew", async () => {
    const first = await add("tea");
    await database.query(
      "update quartet.operation set pb = pb - 'answerJson' - 'answerStatus' - 'events' where pb->'response'->>'id' = $1",
      [id],
    );
    expect((await add("tea")).text).toBe(first.text);
  });

  for (const [name, path] of Object.entries(surfaces)) {
    test(`is told with a refusal where its reason can be read, the first time and again, over ${name}`, async () => {
      const before = BigInt(`0x${await walLocation()}`);
      for (const headers of [{}, keyed(), keyed()]) {
        const refused = await add("refused", headers as never, host, path);
        expect(refused.json.code, refused.text).toMatch(/failed_precondition/);
        const { lsn } = parsePosition(String(refused.headers["quartet-position"]));
        expect(lsn).toBeGreaterThanOrEqual(before);
      }
    });
  }

  test("gets the first refusal byte for byte, also one of a code that this build does not know", async () => {
    const first = await add("refused");
    expect(first.status).toBe(412);
    const again = await add("refused", keyed(), other);
    expect([again.status, again.text]).toEqual([412, first.text]);
    expect(again.headers["idempotency-replayed"]).toBe("true");
    const unknown = {
      code: "out_of_tea",
      status: 451,
      title: "Out of tea",
      type: "urn:tea",
      detail: "None left.",
    };
    await database.query(
      "update quartet.operation set pb = pb || jsonb_build_object('problem', $2::jsonb) where operation_id = $1",
      [operationOf("note.v1.Things/Add"), JSON.stringify(unknown)],
    );
    const newer = await add("refused");
    expect([newer.status, newer.json]).toEqual([451, unknown]);
  });

  test("is refused with another payload, by a process that runs the first one too", async () => {
    const first = add("held");
    await held.arrived;
    expect((await add("other")).json).toMatchObject({ status: 422, code: "key_reused" });
    held.letGo();
    expect((await first).status).toBe(200);
    expect((await add("other", keyed(), other)).json).toMatchObject({ status: 422, code: "key_reused" });
  });

  test("is another request for another principal, and for another method", async () => {
    await add("tea");
    await add("tea", keyed({ authorization: "Bearer of-bo" }));
    await ask("POST", `${host.url}/v1/notes:later`, keyed(), { id, text: "tea" });
    await pushIt("decisions");
    expect(await timesAdded()).toBe(3n);
  });
});

describe("a request with a key that is in flight", () => {
  for (const where of ["the same process", "another process"] as const) {
    const at = () => (where === "the same process" ? host : other);

    test(`waits for the first one's end, in ${where}`, async () => {
      const first = add("held");
      await held.arrived;
      const repeats = Array.from({ length: 5 }, () => add("held", keyed(), at()));
      // Repeats that began a transaction of their own would be stopped in it.
      held.letGo();
      const answers = await Promise.all([first, ...repeats]);
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
      expect(answers.map(({ headers }) => headers["idempotency-replayed"])).toEqual([
        undefined,
        ...Array(5).fill("true"),
      ]);
      expect(await timesAdded()).toBe(1n);
    });

    test(`is told to come again when its own time is over first, in ${where}`, async () => {
      const first = add("held");
      await held.arrived;
      const early = await add("held", keyed({ prefer: "wait=1" }), at());
      expect(early.json).toMatchObject({ status: 409, code: "in_flight" });
      expect(early.headers["retry-after"]).toBe("1");
      held.letGo();
      expect((await first).status).toBe(200);
      expect((await add("held", keyed(), at())).headers["idempotency-replayed"]).toBe("true");
    });
  }

  test("runs it when the first one comes to nothing", async () => {
    const answers = await Promise.all([add("vain"), add("vain"), add("vain", keyed(), other)]);
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(await timesAdded()).toBeUndefined();
  });

  test("runs it when the process of the first one dies in its transaction", async () => {
    const first = add("held").catch(() => undefined);
    await held.arrived;
    const repeat = add("held", keyed(), other);
    await database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction' and datname = current_database()",
    );
    held.isOpen = true;
    held.letGo();
    expect((await repeat).status).toBe(200);
    await first;
    expect(await timesAdded()).toBe(1n);
  });

  test("is run where it is asked for in another mode, and has one effect", async () => {
    const first = add("held");
    await held.arrived;
    const async = add("held", keyed({ prefer: "respond-async" }), other);
    const here = add("held", keyed({ prefer: "respond-async" }));
    await delay(20);
    held.letGo();
    expect((await first).status).toBe(200);
    // What was claimed at that moment is told to come again; what came later was accepted, and finds it ended.
    for (const { status } of await Promise.all([async, here])) expect([202, 409]).toContain(status);
    expect((await add("held", keyed({ prefer: "respond-async, wait=5" }))).text).toBe((await first).text);
    expect(await timesAdded()).toBe(1n);
  });

  test("is accepted again at once when it is asynchronous", async () => {
    const later = () => ask("POST", `${host.url}/v1/notes:later`, keyed(), { id, text: "tea" });
    const [first, again] = [await later(), await later()];
    expect([first.status, again.status, again.text]).toEqual([202, 202, first.text]);
    await pushIt("decisions");
    expect((await later()).text).toBe(first.text);
    expect(await timesAdded()).toBe(1n);
  });
});

describe("an operation", () => {
  const accept = (headers = keyed()) =>
    ask("POST", `${host.url}/v1/notes:later`, headers, { id, text: "tea" });
  const cancel = (operationId: string, headers = {}) =>
    ask("POST", `${host.url}/operations/${operationId}:cancel`, headers);

  test("tells its fate: who decided with how many reads, a position past its commit, and what it published", async () => {
    await add("tea");
    const answer = await ask("GET", `${other.url}/operations/${operationOf("note.v1.Things/Add")}`);
    expect(answer.json).toMatchObject({
      done: true,
      response: { id },
      metadata: {
        method: "note.v1.Things/Add",
        state: "OPERATION_STATE_COMMITTED",
        decision: { node: "first", class: "crud", reads: 0, decideTime: expect.any(String) },
        position: answer.headers["quartet-position"],
        events: [{ type: "note.v1.Note", id: expect.any(String) }],
      },
    });
    const [event] = await database.query("select from quartet.outbox where id = $1", [
      answer.json.metadata.events[0].id,
    ]);
    expect(event).toBeDefined();
    expect(await recordOf()).toMatchObject({ answerStatus: 200 });
  });

  test("that is canceled before its decision is never written", async () => {
    await accept();
    await pushIt("operations");
    const canceled = await cancel(addLaterId());
    expect(canceled.json).toMatchObject({ done: true, error: { details: [{ code: "canceled" }] } });
    await pushIt("decisions");
    expect(await timesAdded()).toBeUndefined();
    expect((await cancel(addLaterId())).json).toEqual(canceled.json);
    expect((await accept(keyed({ prefer: "wait=5" }))).json).toMatchObject({ code: "canceled" });
  });

  test("that is canceled before anything is known of it is never written, if it is the principal's", async () => {
    const id = operationOf("note.v1.Things/Add");
    expect((await cancel(id)).status).toBe(200);
    expect((await add("tea")).json).toMatchObject({ status: 499, code: "canceled" });
    expect(await timesAdded()).toBeUndefined();
    // From then on it is that request's: another one has taken its key.
    expect((await add("coffee")).json).toMatchObject({ status: 422, code: "key_reused" });
    expect((await add("tea")).json).toMatchObject({ status: 499, code: "canceled" });
  });

  test("is not canceled by a stranger, known or not", async () => {
    const stranger = { authorization: "Bearer of-eve" };
    expect((await cancel(operationOf("note.v1.Things/Add"), stranger)).status).toBe(200);
    // Nor is it told that it was: it has not ended.
    const shown = (prefer: string) =>
      ask("GET", `${host.url}/operations/${operationOf("note.v1.Things/Add")}`, { prefer });
    for (const prefer of ["wait=1", "respond-async"]) expect((await shown(prefer)).json.done).toBe(false);
    const first = await add("tea");
    expect(first.status, first.text).toBe(200);
    expect(await timesAdded()).toBe(1n);
    expect((await cancel(operationOf("note.v1.Things/Add"), stranger)).status).toBe(404);
    expect((await add("tea")).text).toBe(first.text);
  });

  test("that has ended cannot be canceled, nor can one that was never issued", async () => {
    await add("tea");
    expect((await cancel(operationOf("note.v1.Things/Add"))).json).toMatchObject({
      code: "failed_precondition",
    });
    expect((await cancel("0".repeat(40))).status).toBe(404);
  });

  test("that is being committed is committed: the cancel comes too late", async () => {
    const first = add("held");
    await held.arrived;
    expect((await cancel(operationOf("note.v1.Things/Add"))).json).toMatchObject({ code: "in_flight" });
    held.letGo();
    expect((await first).status).toBe(200);
  });

  test("is listed for its principal alone, by state, method and time, a page at a time", async () => {
    const mine = { authorization: `Bearer ${randomUUID()}` };
    for (const text of ["tea", "coffee", "refused"]) {
      key = randomUUID();
      await add(text, keyed(mine));
    }
    const list = (query = "") => ask("GET", `${host.url}/operations${query}`, mine);
    const all = (await list()).json.operations;
    expect(all).toHaveLength(3);
    expect(all[0].metadata.state).toBe("OPERATION_STATE_FAILED");
    expect((await list("?state=OPERATION_STATE_COMMITTED")).json.operations).toHaveLength(2);
    expect((await list("?method=note.v1.Things/AddLater")).json.operations).toEqual([]);
    const between = all[1].metadata.acceptTime;
    expect((await list(`?accepted_from=${between}`)).json.operations).toEqual(all.slice(0, 2));
    expect((await list(`?acceptedBefore=${between}`)).json.operations).toEqual(all.slice(2));
    const page = (await list("?page_size=2")).json;
    const rest = (await list(`?page_size=2&page_token=${page.nextPageToken}`)).json;
    expect([...page.operations, ...rest.operations]).toEqual(all);
    expect((await list("?accepted_from=noon")).json).toMatchObject({ status: 400, field: "accepted_from" });
    expect((await list("?color=red")).json).toMatchObject({ status: 400, field: "color" });
    expect((await list("?page_token=x")).json).toMatchObject({ status: 400, field: "page_token" });
    const others = { authorization: `Bearer ${randomUUID()}` };
    expect((await ask("GET", `${host.url}/operations`, others)).json.operations).toEqual([]);
  });

  test("is waited for by many with one query a tick, and seen at its end", async () => {
    await accept();
    const waiting = Array.from({ length: 200 }, () =>
      ask("GET", `${other.url}/operations/${addLaterId()}`, { prefer: "wait=20" }),
    );
    await pushIt("decisions");
    for (const answer of await Promise.all(waiting))
      expect(answer.json).toMatchObject({ done: true, response: { id } });
  });

  test("is forgotten some time after its end, and not before a day", async () => {
    await add("tea");
    await accept();
    await pushIt("operations");
    const age = (days: number) =>
      database.query(
        `update quartet.operation set pb = pb || jsonb_build_object('acceptTime', to_char(now() - $1 * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
         || case when pb ? 'endTime' then jsonb_build_object('endTime', to_char(now() - $1 * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) else '{}' end`,
        [days],
      );
    const prune = async (keep: string) => {
      await database.query("select quartet.prune_operations($1::interval, 5000)", [keep]);
      return database.query("select from quartet.operation where pb->'response'->>'id' = $1", [id]);
    };
    await age(0.9);
    expect(await prune("1 hour")).toHaveLength(1);
    await age(6);
    expect(await prune("7 days")).toHaveLength(1);
    expect(await prune("1 hour")).toHaveLength(0);
    // What has not ended is kept, however old.
    const [open] = await database.query("select from quartet.operation where operation_id = $1", [
      addLaterId(),
    ]);
    expect(open).toBeDefined();
    expect((await add("tea")).headers["idempotency-replayed"]).toBeUndefined();
  });
});
