import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fillLog } from "../subscription/test-log.ts";
import { openTestRelayAdmin, sendTo, type TestRelayAdmin } from "./test-relay-admin.ts";

let admin: TestRelayAdmin;
const endpoint = "http://127.0.0.1:9/hook";

beforeAll(async () => {
  admin = await openTestRelayAdmin();
  await fillLog(admin.database, 10);
});
afterAll(() => admin[Symbol.asyncDispose]());
beforeEach(() => admin.database.query("truncate quartet.subscription, quartet.delivery_cursor"));

const create = (name: string, more: object = {}) =>
  admin.call("POST", "subscriptions", { subscription: { name, endpoint, ...more } });

describe("a subscription", () => {
  test("is created where it says, read, listed, changed and deleted", async () => {
    const body = { subscription: { name: "a/b.c_d-e", endpoint }, fromSequence: "4" };
    const created = await admin.call("POST", "subscriptions", body);
    expect([created.status, created.json.cursor, created.json.head], created.text).toEqual([200, "3", "10"]);
    expect(Number.parseFloat(created.json.lag)).toBeGreaterThan(0);
    const read = await admin.call("GET", "subscriptions/a/b.c_d-e");
    expect([read.status, read.json.subscription]).toEqual([200, created.json.subscription]);
    const listed = await admin.call("GET", "subscriptions");
    expect(listed.json.subscriptions).toHaveLength(1);
    const path = "subscriptions/a/b.c_d-e?updateMask=types,delivery.timeout,maxDataBytes";
    const changed = await admin.call("PATCH", path, {
      types: ["shop.v1.OrderPlaced"],
      rate: 7,
      delivery: { timeout: "3s", retry: 4 },
      maxDataBytes: 5,
    });
    expect(changed.json.subscription, changed.text).toMatchObject({
      types: ["shop.v1.OrderPlaced"],
      delivery: { timeout: "3s", retry: 0 },
      maxDataBytes: 5,
      rate: 0,
      endpoint,
    });
    expect((await admin.call("DELETE", "subscriptions/a/b.c_d-e")).status).toBe(200);
    expect((await admin.call("GET", "subscriptions/a/b.c_d-e")).status).toBe(404);
  });

  test("is paused and resumed, without a body too", async () => {
    await create("hook");
    const paused = await admin.call("POST", "subscriptions/hook:pause");
    expect([paused.status, paused.json.subscription.paused], paused.text).toEqual([200, true]);
    const resumed = await admin.call("POST", "subscriptions/hook:resume", {});
    expect(resumed.json.subscription).toMatchObject({ paused: false, pauseReason: "" });
  });

  test("takes a reason of any length in any script", async () => {
    await create("hook");
    const answer = await admin.call("POST", "subscriptions/hook:pause", { reason: `${"x".repeat(999)}😀` });
    expect([answer.status, answer.json.subscription?.pauseReason], answer.text).toEqual([
      200,
      expect.stringMatching(/^x{999}/),
    ]);
  });

  test("has secrets that are told and rotated", async () => {
    await create("hook");
    const before = await admin.call("GET", "subscriptions/hook:secrets");
    expect(before.json.secrets).toEqual([expect.stringMatching(/^whsec_/)]);
    const rotated = await admin.call("POST", "subscriptions/hook:rotateSecret", {});
    expect(rotated.json.secrets).toEqual([expect.stringMatching(/^whsec_/), before.json.secrets[0]]);
    const ended = await admin.call("POST", "subscriptions/hook:rotateSecret", { overlap: "0s" });
    expect(ended.json.secrets).toHaveLength(2);
    expect(ended.json.secrets).not.toContain(rotated.json.secrets[0]);
    expect((await admin.call("GET", "subscriptions/hook:secrets")).json).toEqual(ended.json);
  });

  test("is replayed at the rate of its own, unless another is asked for", async () => {
    await create("hook", { rate: 20 });
    const replay = await admin.call("POST", "subscriptions/hook:replay", { fromBeginning: true });
    expect(replay.json.subscription, replay.text).toMatchObject({
      name: expect.stringMatching(/^hook~[0-9a-f]{8}$/),
      replayOf: "hook",
      untilSequence: "10",
      rate: 20,
    });
    const slow = { fromSequence: "3", untilSequence: "5", rate: 0.5 };
    const other = await admin.call("POST", "subscriptions/hook:replay", slow);
    expect([other.json.cursor, other.json.subscription.rate]).toEqual(["2", 0.5]);
    const path = `subscriptions/${replay.json.subscription.name}`;
    expect((await admin.call("GET", path)).status).toBe(200);
    expect((await admin.call("POST", `${path}:replay`, { fromBeginning: true })).status).toBe(412);
  });
});

const bad = "invalid_argument";
const late = { name: "hook", endpoint };

test.each<[verb: string, path: string, json: unknown, status: number, code: string, field?: string]>([
  ["GET", "subscriptions/nobody", undefined, 404, "not_found", "name"],
  ["GET", `subscriptions/${"x".repeat(8_000)}`, undefined, 404, "not_found", "name"],
  ["GET", "subscriptions/", undefined, 404, "not_found", "name"],
  ["GET", "subscriptions/%00", undefined, 400, bad, "name"],
  ["GET", "subscriptions/%ff", undefined, 400, bad, "name"],
  ["GET", "subscriptions/hook%3Asecrets", undefined, 404, "not_found", "name"],
  ["GET", "subscriptions/%F0%9F%98%80", undefined, 404, "not_found", "name"],
  ["GET", "subscriptions/__proto__", undefined, 404, "not_found", "name"],
  ["GET", "subscriptions?name=x", undefined, 400, bad, "name"],
  ["POST", "subscriptions", undefined, 400, bad, "subscription"],
  ["POST", "subscriptions", [], 400, "malformed_body"],
  ["POST", "subscriptions", { subscription: 7 }, 400, bad, "subscription"],
  ["POST", "subscriptions", { subscription: late, fromSequence: "12" }, 400, bad, "from_sequence"],
  ["POST", "subscriptions", { subscription: late, fromSequence: "-1" }, 400, bad, "from_sequence"],
  ["POST", "subscriptions", { subscription: late, fromSequence: "9".repeat(30) }, 400, bad, "fromSequence"],
  ["POST", "subscriptions", { subscription: late, fromTime: "soon" }, 400, bad, "fromTime"],
  ["POST", "subscriptions", { subscription: { ...late, rate: "NaN" } }, 400, bad, "rate"],
  ["POST", "subscriptions", { subscription: { ...late, mode: 9 } }, 400, bad, "mode"],
  ["POST", "subscriptions", { subscription: { ...late, name: "a/../b" } }, 400, bad, "name"],
  ["POST", "subscriptions", { subscription: { ...late, name: "a//b" } }, 400, bad, "name"],
  ["POST", "subscriptions", { subscription: { ...late, name: "a/." } }, 400, bad, "name"],
  ["POST", "subscriptions", { subscription: { ...late, name: "a/" } }, 400, bad, "name"],
  ["POST", "subscriptions", { subscription: { ...late, name: "a:b" } }, 400, bad, "name"],
  ["POST", "subscriptions", { subscription: { ...late, name: "reaction/x" } }, 400, bad, "name"],
  [
    "POST",
    "subscriptions",
    { subscription: { ...late, filters: [{ exact: { subject: "\ud800" } }] } },
    400,
    bad,
    `subscription.filters[0].exact["subject"]`,
  ],
  ["PATCH", "subscriptions/hook", { rate: 1 }, 400, bad, "update_mask"],
  ["PATCH", "subscriptions/hook?updateMask=", { rate: 1 }, 400, bad, "update_mask"],
  ["PATCH", "subscriptions/hook?updateMask=name", {}, 400, bad, "update_mask"],
  ["PATCH", "subscriptions/hook?updateMask=secretSeeds", {}, 400, bad, "update_mask"],
  ["PATCH", "subscriptions/hook?updateMask=delivery.no", {}, 400, bad, "update_mask"],
  ["PATCH", "subscriptions/hook?updateMask=filters.exact", {}, 400, bad, "update_mask"],
  ["PATCH", "subscriptions/hook?updateMask=rate.", {}, 400, bad, "update_mask"],
  ["PATCH", "subscriptions/hook?updateMask=__proto__", {}, 400, bad],
  ["PATCH", "subscriptions/hook?updateMask=endpoint", {}, 400, bad, "endpoint"],
  ["PATCH", "subscriptions/hook?updateMask=rate", { name: "other", rate: 1 }, 400, bad, "subscription.name"],
  ["PATCH", "subscriptions/nobody?updateMask=rate", {}, 404, "not_found", "name"],
  ["POST", "subscriptions/nobody:pause", {}, 404, "not_found", "name"],
  ["POST", "subscriptions/nobody:resume", {}, 404, "not_found", "name"],
  ["POST", "subscriptions/nobody:rotateSecret", {}, 404, "not_found", "name"],
  ["POST", "subscriptions/nobody:replay", { fromBeginning: true }, 404, "not_found", "name"],
  ["GET", "subscriptions/nobody:secrets", undefined, 404, "not_found", "name"],
  ["DELETE", "subscriptions/nobody", undefined, 404, "not_found", "name"],
  ["POST", "subscriptions/hook:unheard", {}, 405, "method_not_allowed"],
  ["POST", "subscriptions/hook:secrets", {}, 405, "method_not_allowed"],
  ["POST", "subscriptions/hook:pause", { reason: 7 }, 400, bad, "reason"],
  ["POST", "subscriptions/hook:pause", { reason: "\0" }, 400, bad, "reason"],
  ["POST", "subscriptions/hook:rotateSecret", { overlap: "-1s" }, 400, bad, "overlap"],
  ["POST", "subscriptions/hook:rotateSecret", { overlap: "9999999s" }, 400, bad, "overlap"],
  ["POST", "subscriptions/hook:replay", {}, 400, bad, "start"],
  ["POST", "subscriptions/hook:replay", { fromBeginning: true, fromSequence: "1" }, 400, bad],
  ["POST", "subscriptions/hook:replay", { fromSequence: "99" }, 400, bad, "from_sequence"],
  ["POST", "subscriptions/hook:replay", { fromSequence: "11" }, 412, "failed_precondition", "until_sequence"],
  [
    "POST",
    "subscriptions/hook:replay",
    { fromBeginning: true, untilSequence: "-1" },
    400,
    bad,
    "until_sequence",
  ],
  ["POST", "subscriptions/hook:replay", { fromBeginning: true, rate: -1 }, 400, bad, "rate"],
  ["POST", "subscriptions/hook:replay", { fromBeginning: true, rate: 1e300 }, 400, bad, "rate"],
  ["POST", "subscriptions/hook:replay", { fromBeginning: true, rate: "NaN" }, 400, bad, "rate"],
  ["GET", "elsewhere", undefined, 404, "no_such_route"],
])("%s %s %j is refused: %i %s %s", async (verb, path, json, status, code, field) => {
  await create("hook");
  const answer = await admin.call(verb, path, json);
  const { text, headers } = answer;
  const expected = field === undefined ? [status, code] : [status, code, field];
  const got = [answer.status, answer.json.code, answer.json.field];
  expect(got.slice(0, expected.length), text).toEqual(expected);
  expect(headers["content-type"]).toBe("application/problem+json");
});

test("a name that exists is not created again", async () => {
  await create("hook");
  const { status, json } = await create("hook");
  expect([status, json.code, json.field]).toEqual([409, "already_exists", "name"]);
});

test("the secrets of a class of the domain are not told, nor rotated", async () => {
  await create("own", { endpoint: "class:micro" });
  const told = await admin.call("GET", "subscriptions/own:secrets");
  const rotated = await admin.call("POST", "subscriptions/own:rotateSecret", {});
  expect([told.status, rotated.status]).toEqual([412, 412]);
});

describe("a body", () => {
  test.each([
    [
      "that is no JSON",
      { headers: { "content-type": "application/json" }, body: "{" },
      400,
      "malformed_body",
    ],
    [
      "that is no UTF-8",
      { headers: { "content-type": "application/json" }, body: Buffer.from([0x22, 0xff, 0x22]) },
      400,
      "malformed_body",
    ],
    [
      "of another type",
      { headers: { "content-type": "text/plain" }, body: "{}" },
      415,
      "unsupported_media_type",
    ],
    ["of no type", { body: "{}" }, 415, "unsupported_media_type"],
    [
      "of 2 MB",
      { headers: { "content-type": "application/json" }, body: " ".repeat(2_000_000) },
      413,
      "too_large",
    ],
    [
      "that is nested without end",
      {
        headers: { "content-type": "application/json" },
        body: `{"subscription":{"filters":[${'{"not":'.repeat(100_000)}{}${"}".repeat(100_000)}]}}`,
      },
      400,
      "invalid_argument",
    ],
    [
      "that is an array without end",
      { headers: { "content-type": "application/json" }, body: "[".repeat(400_000) + "]".repeat(400_000) },
      400,
      "malformed_body",
    ],
  ])("%s is refused", async (_title, request, status, code) => {
    const answer = await sendTo(admin.port, "POST", "/_quartet/subscriptions", request);
    expect([answer.status, answer.json.code], answer.text.slice(0, 300)).toEqual([status, code]);
  });

  test("that breaks off harms nobody", async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(admin.port, "127.0.0.1", () => {
        socket.write(
          "POST /_quartet/subscriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
        );
        setImmediate(() => socket.destroy());
      });
      socket.once("close", () => resolve());
    });
    expect((await admin.call("GET", "subscriptions")).status).toBe(200);
  });
});

test("many at once are all answered", async () => {
  await create("hook");
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      index % 3 === 0
        ? admin.call("PATCH", "subscriptions/hook?updateMask=concurrency", { concurrency: index })
        : admin.call("GET", "subscriptions"),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
});

test("nothing that was refused is an error of the listener's own", () => {
  expect(admin.lines.filter((line) => line.includes('"level":50'))).toEqual([]);
});
