import { request } from "node:http";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DeadLetterSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { TableWriter } from "../../pbtable/table-writer.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import { tableOf } from "../../schema/table/table.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { createDataRef } from "../push/data-ref.ts";
import { activeSecrets } from "../push/subscription-secrets.ts";
import { fillLog } from "../subscription/test-log.ts";
import { openTestRelayAdmin, sendTo, type TestRelayAdmin, testSecret } from "./test-relay-admin.ts";

let admin: TestRelayAdmin;
const bad = "invalid_argument";

beforeAll(async () => {
  admin = await openTestRelayAdmin();
  await fillLog(admin.database, 10);
});
afterAll(() => admin[Symbol.asyncDispose]());
beforeEach(async () => {
  await admin.database.query(
    "truncate quartet.subscription, quartet.delivery_cursor, quartet.delivery_parked, quartet.dead_letter, quartet.relay_lease",
  );
  await subscribe("hook");
});

const subscribe = (name: string, more: object = {}) =>
  admin.call("POST", "subscriptions", {
    subscription: { name, endpoint: "http://127.0.0.1:9/", ...more },
    fromBeginning: true,
  });

/** Letters of the log's first events, a minute apart, with ids `letter-1` and so on. */
async function bury(count: number, subscription = "hook"): Promise<void> {
  await runTransaction(admin.database.pool, async (client) => {
    const writer = new TableWriter<typeof DeadLetterSchema>(
      tableOf(DeadLetterSchema),
      client,
      systemRegistry,
    );
    for (let at = 1; at <= count; at++) {
      await writer.insert({
        deadLetterId: `${subscription === "hook" ? "" : `${subscription}-`}letter-${at}`,
        subscription,
        sequence: BigInt(at),
        eventId: crypto.randomUUID(),
        eventType: "shop.v1.OrderPlaced",
        eventKey: `key-${at % 2}`,
        eventData: "{}",
        lastStatus: at % 2 === 0 ? 0 : 500,
        deadTime: timestampFromDate(new Date(Date.UTC(2026, 0, 1, 0, at))),
      });
    }
  });
}

const idsOf = ({ json }: { readonly json: { deadLetters: { deadLetterId: string }[] } }) =>
  json.deadLetters.map(({ deadLetterId }) => deadLetterId);

describe("dead letters", () => {
  test("are listed by pages, the newest first, and by every filter", async () => {
    await bury(5);
    const first = await admin.call("GET", "dead-letters?pageSize=2");
    expect(idsOf(first)).toEqual(["letter-5", "letter-4"]);
    const next = await admin.call("GET", `dead-letters?pageSize=2&pageToken=${first.json.nextPageToken}`);
    expect(idsOf(next)).toEqual(["letter-3", "letter-2"]);
    const filters = [
      ["filter.subscription=hook", 5],
      ["filter.subscription=other", 0],
      ["filter.eventType=shop.v1.OrderPlaced&filter.eventKey=key-1", 3],
      ["filter.lastStatus=0", 2],
      ["filter.lastStatus=500", 3],
      ["filter.deadAfter=2026-01-01T00:02:00Z&filter.deadBefore=2026-01-01T00:04:00Z", 2],
    ] as const;
    for (const [query, count] of filters) {
      const answer = await admin.call("GET", `dead-letters?${query}`);
      expect(idsOf(answer), query).toHaveLength(count);
    }
    const one = await admin.call("GET", "dead-letters/letter-3");
    expect(one.json).toMatchObject({ subscription: "hook", sequence: "3", lastStatus: 500 });
  });

  test("are given back by id and by filter, as many as are asked for, once", async () => {
    await bury(5);
    const named = { deadLetterIds: ["letter-2", "letter-4", "letter-2"] };
    expect((await admin.call("POST", "dead-letters:redrive", named)).json).toEqual({ redriven: "2" });
    expect((await admin.call("POST", "dead-letters:redrive", named)).status).toBe(404);
    const some = await admin.call("POST", "dead-letters:redrive", { filter: {}, limit: 1 });
    expect(some.json).toEqual({ redriven: "1" });
    expect(idsOf(await admin.call("GET", "dead-letters"))).toEqual(["letter-5", "letter-3"]);
    const rest = await admin.call("POST", "dead-letters:redrive", {
      filter: { subscription: "hook" },
      rate: 100,
    });
    expect(rest.json).toEqual({ redriven: "2" });
    const parked = await admin.database.query<{ seq: bigint }>(
      "select seq from quartet.delivery_parked order by seq",
    );
    expect(parked.map(({ seq }) => seq)).toEqual([1n, 2n, 3n, 4n, 5n]);
  });

  test("of a subscription that is gone are refused where they are asked for, and keep none of the others back", async () => {
    await bury(1, "gone");
    await bury(2);
    for (const asked of [{ filter: { subscription: "gone" } }, { deadLetterIds: ["gone-letter-1"] }]) {
      const answer = await admin.call("POST", "dead-letters:redrive", asked);
      expect([answer.status, answer.json.code, answer.json.field]).toEqual([
        404,
        "not_found",
        "subscription",
      ]);
    }
    const all = await admin.call("POST", "dead-letters:redrive", { filter: {} });
    expect(all.json, all.text).toEqual({ redriven: "2" });
    expect(idsOf(await admin.call("GET", "dead-letters"))).toEqual(["gone-letter-1"]);
  });

  test("are discarded by id and by filter", async () => {
    await bury(4);
    const named = await admin.call("POST", "dead-letters:discard", { deadLetterIds: ["letter-1"] });
    expect(named.json).toEqual({ discarded: "1" });
    const rest = await admin.call("POST", "dead-letters:discard", { filter: { eventKey: "key-0" } });
    expect(rest.json).toEqual({ discarded: "2" });
    expect(idsOf(await admin.call("GET", "dead-letters"))).toEqual(["letter-3"]);
  });

  test.each([1e-9, 2])("at %d a second wait, and no longer than their client does", async (rate) => {
    await bury(4);
    const path = "/_quartet/dead-letters:redrive";
    const headers = { "content-type": "application/json" };
    const sent = request({ host: "127.0.0.1", port: admin.port, method: "POST", path, headers });
    const gone = new Promise<void>((resolve) => sent.once("close", resolve).on("error", () => undefined));
    sent.end(JSON.stringify({ filter: {}, rate }));
    const left = async () => idsOf(await admin.call("GET", "dead-letters")).length;
    await expect.poll(left).toBe(3);
    sent.destroy();
    await gone;
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(await left()).toBe(3);
  });

  test.each<[verb: string, path: string, json: unknown, status: number, code: string, field?: string]>([
    ["GET", "dead-letters?pageSize=-1", undefined, 400, bad, "page_size"],
    ["GET", "dead-letters?pageSize=x", undefined, 400, bad, "pageSize"],
    ["GET", "dead-letters?pageSize=99999999999", undefined, 400, bad, "pageSize"],
    ["GET", "dead-letters?pageToken=x", undefined, 400, bad, "page_token"],
    ["GET", `dead-letters?pageToken=${"x".repeat(300)}`, undefined, 400, bad, "page_token"],
    ["GET", "dead-letters?filter.deadAfter=yesterday", undefined, 400, bad, "filter.deadAfter"],
    ["GET", "dead-letters?filter.lastStatus=1.5", undefined, 400, bad, "filter.lastStatus"],
    ["GET", "dead-letters?filter.none=1", undefined, 400, bad, "filter.none"],
    ["GET", "dead-letters/unheard", undefined, 404, "not_found", "dead_letter_id"],
    ["GET", "dead-letters/a/b", undefined, 404, "no_such_route"],
    ["GET", "dead-letters/%00", undefined, 400, bad],
    ["POST", "dead-letters", {}, 405, "method_not_allowed"],
    ["DELETE", "dead-letters/x", undefined, 405, "method_not_allowed"],
    ["POST", "dead-letters:redrive", { deadLetterIds: ["x"] }, 404, "not_found", "dead_letter_id"],
    ["POST", "dead-letters:redrive", { deadLetterIds: ["x"], filter: {} }, 400, bad, "filter"],
    ["POST", "dead-letters:redrive", { rate: -1 }, 400, bad, "rate"],
    ["POST", "dead-letters:redrive", { rate: "Infinity" }, 400, bad, "rate"],
    ["POST", "dead-letters:redrive", { limit: -1 }, 400, bad, "limit"],
    ["POST", "dead-letters:discard", {}, 400, bad, "filter"],
    ["POST", "dead-letters:discard", { filter: {} }, 400, bad, "filter"],
    ["POST", "dead-letters:discard", { filter: { subscription: "" } }, 400, bad, "filter"],
    ["POST", "dead-letters:discard", { deadLetterIds: ["x"] }, 404, "not_found", "dead_letter_id"],
  ])("%s %s %j is refused: %i %s %s", async (verb, path, json, status, code, field) => {
    const answer = await admin.call(verb, path, json);
    const expected = field === undefined ? [status, code] : [status, code, field];
    expect(
      [answer.status, answer.json.code, answer.json.field].slice(0, expected.length),
      answer.text,
    ).toEqual(expected);
  });
});

describe("data by reference", () => {
  const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600;
  const secretOf = (name: string) =>
    activeSecrets([testSecret], { name, secretSeeds: [], replayOf: "" } as never, Date.now()).secrets[0] ??
    testSecret;
  const get = (path: string, verb = "GET") =>
    sendTo(admin.port, verb, path, { headers: { host: "elsewhere.example" } });
  const refer = (seq: bigint, subscription = "hook", expires = inAnHour()) =>
    createDataRef("", secretOf(subscription), { subscription, seq, expires });

  test("is given to whoever has the reference, wherever it asks from", async () => {
    const answer = await get(refer(3n));
    expect([answer.status, answer.text, answer.headers["cache-control"]]).toEqual([
      200,
      "{}",
      "private, no-store",
    ]);
    const head = await get(refer(3n), "HEAD");
    expect([head.status, head.text, head.headers["content-length"]]).toEqual([200, "", "2"]);
  });

  test("of an event that the log does not keep is not found", async () => {
    expect((await get(refer(99n))).json).toMatchObject({ status: 404, code: "not_found" });
  });

  test("ends with the secret that granted it", async () => {
    const reference = refer(3n);
    await admin.call("POST", "subscriptions/hook:rotateSecret", {});
    expect((await get(reference)).status).toBe(200);
    await admin.call("DELETE", "subscriptions/hook");
    await subscribe("hook");
    await admin.call("POST", "subscriptions/hook:rotateSecret", { overlap: "0s" });
    expect((await get(reference)).status).toBe(403);
  });

  test.each([
    ["none", () => "/_quartet/events/3"],
    ["that of another event", () => refer(4n).replace("/4?", "/3?")],
    ["one that has expired", () => refer(3n, "hook", 1)],
    ["that of a subscription that there is not", () => refer(3n, "nobody")],
    ["one that is no text that the database holds", () => refer(3n, "\0")],
    ["one that names a subscription of 700 letters", () => refer(3n, "x".repeat(700))],
    ["one of nothing", () => "/_quartet/events/3?token=1..x"],
  ])("with %s is refused", async (_title, path) => {
    const { status, json } = await get(path());
    expect([status, json.code, json.field]).toEqual([403, "permission_denied", "token"]);
  });

  test.each(["", "x", "-1", "3/4", "9".repeat(30), "%33"])("of event %j is not found", async (seq) => {
    expect((await get(`/_quartet/events/${seq}?token=1.x.y`)).status).toBe(404);
  });

  test("is only read", async () => {
    const answer = await get(refer(3n), "POST");
    expect([answer.status, answer.headers.allow]).toEqual([405, "GET, HEAD"]);
  });
});

describe("metrics", () => {
  const gauges = async () => {
    const { text } = await sendTo(admin.port, "GET", "/metrics");
    const lines = text.split("\n").filter((line) => /^quartet_/.test(line) && !line.startsWith("#"));
    return new Map(lines.map((line) => [line.replace(/ \S+$/, ""), Number(line.split(" ").at(-1))]));
  };

  test("tell of the deployment as its database has it", async () => {
    await bury(2);
    await admin.call("POST", "subscriptions/hook:pause", {});
    const page = await gauges();
    expect(Object.fromEntries(page)).toMatchObject({
      quartet_relay_up: 1,
      quartet_log_head: 10,
      'quartet_subscription_lag_events{subscription="hook"}': 10,
      'quartet_subscription_paused{subscription="hook"}': 1,
      'quartet_dead_letters{subscription="hook"}': 2,
    });
    expect(page.get('quartet_subscription_lag_seconds{subscription="hook"}')).toBeGreaterThan(8);
  });

  test("tell how far behind is one whose next events retention has dropped", async () => {
    await admin.database.query("update quartet.event_log_segment set first_seq = 5");
    await admin.database.query("delete from quartet.event_log where seq < 5");
    const page = await gauges();
    expect(page.get('quartet_subscription_lag_seconds{subscription="hook"}')).toBeGreaterThan(4);
    expect((await admin.call("GET", "subscriptions/hook")).json.lag).toMatch(/^\d/);
  });

  test("are there, and the operator is served, while a table is locked", async () => {
    const client = await admin.database.connect();
    await client.query("begin; lock table quartet.dead_letter in access exclusive mode");
    const pages = Array.from({ length: 8 }, () => gauges());
    expect((await admin.call("POST", "subscriptions/hook:rotateSecret", {})).status).toBe(200);
    expect((await Promise.all(pages)).map((page) => page.get("quartet_relay_up"))).toEqual(
      pages.map(() => 0),
    );
    await client.query("rollback");
    await expect.poll(async () => (await gauges()).get("quartet_relay_up"), { timeout: 10_000 }).toBe(1);
  }, 40_000);
});

test("is ready while its relay ticks", async () => {
  const ready = async () => (await sendTo(admin.port, "GET", "/readyz")).status;
  expect(await ready()).toBe(503);
  admin.admin.onTick();
  expect(await ready()).toBe(200);
});

test("a login without rights, and a database of an older build, are no errors of the listener's own", async () => {
  await admin.database.query("revoke all on quartet.subscription from quartet_relay");
  const denied = await admin.call("GET", "subscriptions");
  await admin.database.query("alter table quartet.subscription rename to subscription_later");
  const missing = await admin.call("GET", "subscriptions");
  expect([denied.json.code, missing.json.code]).toEqual(["permission_denied", "unavailable"]);
  expect((await sendTo(admin.port, "GET", "/metrics")).text).toContain("quartet_relay_up 0");
});
