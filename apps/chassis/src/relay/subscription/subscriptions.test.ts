import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { testDomain } from "../../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { ContentMode, DeliveryOrder } from "../../gen/quartet/v1/options_pb.ts";
import {
  EventFilterSchema,
  type Subscription,
  SubscriptionSchema,
} from "../../gen/quartet/v1/subscription_pb.ts";
import { reaction } from "../../service/reaction.ts";
import { createSubscription } from "./create-subscription.ts";
import {
  type DeclaredSubscription,
  declareSubscriptions,
  recordSubscriptions,
} from "./declare-subscriptions.ts";
import { deleteSubscription } from "./delete-subscription.ts";
import { pauseSubscription, resumeSubscription } from "./pause-subscription.ts";
import { getSubscription, listSubscriptions } from "./read-subscriptions.ts";
import { replaySubscription } from "./replay-subscription.ts";
import { rotateSecret } from "./rotate-secret.ts";
import type { LogEnds } from "./start-sequence.ts";
import { readSubscriptionRows } from "./subscription-rows.ts";
import { fillLog, logEnds } from "./test-log.ts";
import { updateSubscription } from "./update-subscription.ts";

let database: TestDatabase;
let log: LogEnds;

beforeAll(async () => {
  database = await openTestDatabase();
  await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  await fillLog(database, 10);
  log = logEnds(database);
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() =>
  database.query("truncate quartet.subscription, quartet.delivery_cursor, quartet.relay_lease"),
);

type SubscriptionInit = Omit<Parameters<typeof create<typeof SubscriptionSchema>>[1], "$typeName">;

const endpoint = "https://billing.example/events?a=b";

function make(init: SubscriptionInit = {}): Subscription {
  return create(SubscriptionSchema, { name: "billing", endpoint, ...init });
}

async function cursorOf(name: string): Promise<bigint | undefined> {
  const rows = await database.query<{ seq: bigint }>(
    "select seq from quartet.delivery_cursor where subscription = $1",
    [name],
  );
  return rows[0]?.seq;
}

async function versionOf(name: string): Promise<bigint | undefined> {
  const rows = await database.query<{ version: bigint }>(
    "select version from quartet.subscription where name = $1",
    [name],
  );
  return rows[0]?.version;
}

describe("a created subscription", () => {
  test("begins where it says", async () => {
    const { pool } = database;
    const at = new Date(Date.now() - 3_500);
    await createSubscription(pool, log, make({ name: "now" }));
    await createSubscription(pool, log, make({ name: "beginning" }), { kind: "beginning" });
    await createSubscription(pool, log, make({ name: "sequence" }), { kind: "sequence", sequence: 4n });
    await createSubscription(pool, log, make({ name: "next" }), { kind: "sequence", sequence: 11n });
    await createSubscription(pool, log, make({ name: "time" }), { kind: "time", time: at });
    const cursors = ["now", "beginning", "sequence", "next"].map((name) => cursorOf(name));
    expect(await Promise.all(cursors)).toEqual([10n, 0n, 3n, 10n]);
    expect(await cursorOf("time")).toBe(await log.findSequence(at));
  });

  test("takes nothing that only the platform sets", async () => {
    const given = { declared: true, replayOf: "other", untilSequence: 5n, secretSeeds: [{ seed: "known" }] };
    await createSubscription(database.pool, log, make(given));
    const { subscription } = await getSubscription(database.pool, "billing");
    expect(subscription).toMatchObject({ declared: false, replayOf: "", untilSequence: 0n, secretSeeds: [] });
    expect(subscription?.createTime).toBeDefined();
  });

  test("has a name of its own", async () => {
    await createSubscription(database.pool, log, make());
    const again = createSubscription(database.pool, log, make(), { kind: "beginning" });
    await expect(again).rejects.toMatchObject({ code: "already_exists", field: "name" });
    expect(await cursorOf("billing")).toBe(10n);
  });

  test.each<[string, SubscriptionInit]>([
    ["name", { name: "" }],
    ["name", { name: "no blanks" }],
    ["name", { name: "billing~1a2b3c4d" }],
    ["name", { name: "reaction/mine" }],
    ["name", { name: "intents" }],
    ["endpoint", { endpoint: "" }],
    ["endpoint", { endpoint: "class:nano" }],
    ["endpoint", { endpoint: "class:" }],
    ["endpoint", { endpoint: "ftp://billing.example" }],
    ["endpoint", { endpoint: "https://me:secret@billing.example" }],
    ["types[1]", { types: ["shop.v1.OrderPlaced", "no type"] }],
    ["type_prefixes[0]", { typePrefixes: [""] }],
    ["filters[0]", { filters: [{}] }],
    ["filters[0].any[0].exact", { filters: [{ any: [{ exact: { Subject: "a" } }] }] }],
    ["filters[0].not.prefix", { filters: [{ not: { prefix: { subject: "" } } }] }],
    ["concurrency", { concurrency: 1_001 }],
    ["concurrency", { concurrency: -1 }],
    ["batch.max_events", { batch: { maxEvents: 1_001 } }],
    ["batch.max_wait", { batch: { maxWait: durationFromMs(-1) } }],
    ["rate", { rate: -1 }],
    ["rate", { rate: Number.NaN }],
    ["max_data_bytes", { maxDataBytes: -1 }],
    ["delivery.retry", { delivery: { retry: -1 } }],
    ["delivery.timeout", { delivery: { timeout: durationFromMs(0) } }],
    ["mode", { mode: 9 as ContentMode }],
    ["order", { order: 9 as DeliveryOrder }],
  ])("is refused with a wrong %s (%#), and told so", async (field, init) => {
    const refused = createSubscription(database.pool, log, make(init));
    await expect(refused).rejects.toMatchObject({ code: "invalid_argument", field, fix: expect.any(String) });
    expect(await listSubscriptions(database.pool)).toEqual([]);
  });

  test("is refused with all its faults at once, and no password is told", async () => {
    const wrong = make({ endpoint: "https://me:secret@billing.example", concurrency: -1, rate: -1 });
    const error = await createSubscription(database.pool, log, wrong).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      field: "endpoint",
      message: expect.stringMatching(/endpoint.*\n.*concurrency.*\n.*rate/),
    });
    expect(JSON.stringify(error) + String(error)).not.toContain("secret");
  });

  test("cannot begin at a sequence that the log has not", async () => {
    for (const sequence of [0n, 12n]) {
      const refused = createSubscription(database.pool, log, make(), { kind: "sequence", sequence });
      await expect(refused).rejects.toMatchObject({ code: "invalid_argument", field: "from_sequence" });
    }
  });

  test("is refused with filters that are nested without end", async () => {
    let filter = create(EventFilterSchema, { exact: { type: "a" } });
    for (let depth = 0; depth < 20; depth++) filter = create(EventFilterSchema, { all: [filter] });
    const refused = createSubscription(database.pool, log, make({ filters: [filter] }));
    await expect(refused).rejects.toMatchObject({ code: "invalid_argument", field: "filters" });
  });
});

describe("an update", () => {
  test("changes what its mask names, and nothing else", async () => {
    await createSubscription(database.pool, log, make({ concurrency: 3, batch: { maxEvents: 7 } }));
    const changes = make({
      endpoint: "class:crud",
      rate: 2,
      batch: { maxEvents: 8, maxWait: durationFromMs(5) },
    });
    const changed = await updateSubscription(database.pool, changes, [
      "rate",
      "batch.max_wait",
      "concurrency",
    ]);
    expect(changed).toMatchObject({ endpoint, rate: 2, concurrency: 0 });
    expect(changed.batch).toMatchObject({ maxEvents: 7, maxWait: durationFromMs(5) });
    expect(await versionOf("billing")).toBe(2n);
  });

  test("makes a message on its way, and clears one that is absent", async () => {
    await createSubscription(database.pool, log, make());
    const timeout = durationFromMs(500);
    const made = await updateSubscription(database.pool, make({ delivery: { timeout } }), [
      "delivery.timeout",
    ]);
    expect(made.delivery?.timeout).toEqual(timeout);
    const cleared = await updateSubscription(database.pool, make(), ["delivery"]);
    expect(cleared.delivery).toBeUndefined();
  });

  test.each([[[]], [["paused"]], [["declared"]], [["batch.nothing"]], [["rate.more"]], [["filters.exact"]]])(
    "of %j is refused",
    async (paths) => {
      await createSubscription(database.pool, log, make());
      const refused = updateSubscription(database.pool, make(), paths);
      await expect(refused).rejects.toMatchObject({ code: "invalid_argument", field: "update_mask" });
      expect(await versionOf("billing")).toBe(1n);
    },
  );

  test("that makes it wrong is refused", async () => {
    await createSubscription(database.pool, log, make());
    const refused = updateSubscription(database.pool, make({ rate: -1 }), ["rate"]);
    await expect(refused).rejects.toMatchObject({ code: "invalid_argument", field: "rate" });
  });

  test("of one that is not there, or that code declares, is refused", async () => {
    const update = () => updateSubscription(database.pool, make(), ["rate"]);
    await expect(update()).rejects.toMatchObject({ code: "not_found" });
    await recordSubscriptions(database.pool, log, [declared({ name: "billing" })]);
    await expect(update()).rejects.toMatchObject({ code: "failed_precondition" });
  });
});

const run = async () => undefined;

/** As a reaction of that name declares it. */
function declared(changes: Partial<DeclaredSubscription> = {}): DeclaredSubscription {
  const of = reaction(EventFilterSchema, "test", run);
  const [last] = declareSubscriptions({ ...testDomain, reactions: new Map([["test", of]]) }).slice(-1);
  if (last === undefined) throw new TypeError("it was declared");
  return { ...last, ...changes };
}

describe("a declared subscription", () => {
  test("is recorded once, whichever of two relays that start at once is first", async () => {
    const all = declareSubscriptions(testDomain);
    await Promise.all([1, 2].map(() => recordSubscriptions(database.pool, log, all)));
    const states = await listSubscriptions(database.pool);
    expect(states.map(({ subscription }) => subscription?.name)).toEqual([
      "callbacks",
      "decisions",
      "intents",
      "operations",
    ]);
    expect(await versionOf("intents")).toBe(1n);
    expect(await cursorOf("intents")).toBe(10n);
  });

  test("of a reaction goes to the reaction's class; of a lambda, its answers are taken", () => {
    const run = async () => undefined;
    const reactions = [
      reaction(EventFilterSchema, "a", run),
      reaction(EventFilterSchema, "b", run, { class: "lambda" }),
    ];
    const domain = { ...testDomain, reactions: new Map(reactions.map((each) => [each.name, each])) };
    expect(declareSubscriptions(domain).slice(-2)).toMatchObject([
      { name: "reaction/a", endpoint: "class:micro", types: ["quartet.v1.EventFilter"], replies: false },
      { name: "reaction/b", endpoint: "class:lambda", types: ["quartet.v1.EventFilter"], replies: true },
    ]);
  });

  test("begins with the log where it says so", async () => {
    await recordSubscriptions(database.pool, log, [declared({ start: "beginning" })]);
    expect(await cursorOf("reaction/test")).toBe(0n);
  });

  test("gets the settings of the code, and keeps what an operator has done", async () => {
    const before = declared({
      mode: ContentMode.BATCH,
      order: DeliveryOrder.TOTAL,
      batch: { $typeName: "quartet.v1.BatchOptions", maxEvents: 5 },
    });
    await recordSubscriptions(database.pool, log, [before]);
    await pauseSubscription(database.pool, before.name, "deploying");
    const createTime = (await getSubscription(database.pool, before.name)).subscription?.createTime;
    await recordSubscriptions(database.pool, log, [declared({ rate: 7 })]);
    const { subscription } = await getSubscription(database.pool, before.name);
    expect(subscription).toMatchObject({
      declared: true,
      paused: true,
      pauseReason: "deploying",
      rate: 7,
      createTime,
    });
    expect(subscription).toMatchObject({ mode: ContentMode.UNSPECIFIED, order: DeliveryOrder.UNSPECIFIED });
    expect(subscription?.batch).toBeUndefined();
  });

  test("of the platform's own has the delivery that an operator gave it, over every start", async () => {
    const record = () => recordSubscriptions(database.pool, log, declareSubscriptions(testDomain));
    await record();
    const changes = make({ name: "intents", delivery: { retry: 3 }, concurrency: 4 });
    await updateSubscription(database.pool, changes, ["delivery.retry", "concurrency"]);
    await expect(updateSubscription(database.pool, changes, ["endpoint"])).rejects.toMatchObject({
      code: "failed_precondition",
    });
    await record();
    const { subscription } = await getSubscription(database.pool, "intents");
    expect(subscription).toMatchObject({ concurrency: 4, delivery: { retry: 3 }, endpoint: "class:crud" });
  });

  test("of an earlier build, which knew no such mark, is declared now", async () => {
    await database.query(`insert into quartet.subscription (pb) values ('{"name": "reaction/test"}')`);
    await recordSubscriptions(database.pool, log, [declared()]);
    expect((await getSubscription(database.pool, "reaction/test")).subscription?.declared).toBe(true);
  });

  test("is not deleted while its code is there", async () => {
    await recordSubscriptions(database.pool, log, [declared()]);
    const names = new Set(["reaction/test"]);
    const refused = deleteSubscription(database.pool, "reaction/test", names);
    await expect(refused).rejects.toMatchObject({ code: "failed_precondition" });
    await deleteSubscription(database.pool, "reaction/test", new Set());
    expect(await listSubscriptions(database.pool)).toEqual([]);
  });
});

describe("pause and resume", () => {
  test("are stored with the reason, and raise the version", async () => {
    await createSubscription(database.pool, log, make());
    expect(await pauseSubscription(database.pool, "billing", "by \0 me")).toMatchObject({
      paused: true,
      pauseReason: "by  me",
    });
    expect(await resumeSubscription(database.pool, "billing")).toMatchObject({
      paused: false,
      pauseReason: "",
    });
    expect(await versionOf("billing")).toBe(3n);
    await expect(pauseSubscription(database.pool, "other", "")).rejects.toMatchObject({ code: "not_found" });
  });
});

test("a deleted one goes with its cursor, replays and what is parked; its dead letters stay", async () => {
  await createSubscription(database.pool, log, make());
  const replay = await replaySubscription(database.pool, log, "billing", { start: { kind: "beginning" } });
  for (const name of ["billing", replay.name]) {
    await database.query(
      `insert into quartet.delivery_parked (subscription, seq, key, lane, head, due_at) values ($1, 3, 'k', 'k', true, now())`,
      [name],
    );
  }
  await database.query(
    `insert into quartet.dead_letter (pb) values ('{"deadLetterId": "one", "subscription": "billing"}')`,
  );
  await deleteSubscription(database.pool, "billing", new Set());
  for (const table of ["subscription", "delivery_cursor", "delivery_parked", "delivery_attempt"]) {
    expect(await database.query(`select from quartet.${table}`)).toEqual([]);
  }
  expect(await database.query("select from quartet.dead_letter")).toHaveLength(1);
  await expect(deleteSubscription(database.pool, "billing", new Set())).rejects.toMatchObject({
    code: "not_found",
  });
  await database.query("truncate quartet.dead_letter");
});

describe("a replay", () => {
  test("is a row of its own up to the head of the log, and the live one goes on untouched", async () => {
    await createSubscription(database.pool, log, make({ concurrency: 5, rate: 3 }));
    await pauseSubscription(database.pool, "billing", "no matter");
    const start = { kind: "sequence", sequence: 4n } as const;
    const replay = await replaySubscription(database.pool, log, "billing", { start });
    expect(replay.name).toMatch(/^billing~[0-9a-f]{8}$/);
    expect(replay).toMatchObject({
      replayOf: "billing",
      untilSequence: 10n,
      concurrency: 5,
      rate: 3,
      paused: false,
    });
    expect([await cursorOf(replay.name), await cursorOf("billing")]).toEqual([3n, 10n]);
    expect(await versionOf("billing")).toBe(2n);
  });

  test("has an end and a rate of its own where they are given", async () => {
    await createSubscription(database.pool, log, make({ rate: 3 }));
    const range = { start: { kind: "beginning" }, until: 6n, rate: 0 } as const;
    expect(await replaySubscription(database.pool, log, "billing", range)).toMatchObject({
      untilSequence: 6n,
      rate: 0,
    });
  });

  test("of nothing, or of a replay, is refused", async () => {
    await createSubscription(database.pool, log, make());
    const nothing = replaySubscription(database.pool, log, "billing", { start: { kind: "now" } });
    await expect(nothing).rejects.toMatchObject({ code: "failed_precondition", field: "until_sequence" });
    const start = { kind: "beginning" } as const;
    const { name } = await replaySubscription(database.pool, log, "billing", { start });
    await expect(replaySubscription(database.pool, log, name, { start })).rejects.toMatchObject({
      code: "failed_precondition",
    });
  });
});

describe("rotation of a secret", () => {
  test("puts a new seed first, and lets that before sign until the overlap has passed", async () => {
    await createSubscription(database.pool, log, make());
    const before = Date.now();
    const once = await rotateSecret(database.pool, "billing");
    expect(once.secretSeeds.map(({ seed }) => seed)).toEqual([expect.stringMatching(/^[\w-]{22}$/), ""]);
    const expiresMs = Number(once.secretSeeds[1]?.expireTime?.seconds) * 1_000;
    expect(expiresMs).toBeGreaterThanOrEqual(before + 86_399_000);
    const twice = await rotateSecret(database.pool, "billing", 1_000);
    expect(twice.secretSeeds.map(({ seed }) => seed).slice(1)).toEqual(
      once.secretSeeds.map(({ seed }) => seed),
    );
    expect(twice.secretSeeds[2]?.expireTime).toEqual(once.secretSeeds[1]?.expireTime);
  });

  test("drops what has ended, and without an overlap the one before", async () => {
    await createSubscription(database.pool, log, make());
    const expired = timestampFromMs(1_000);
    await database.query("update quartet.subscription set pb = pb || $1, version = version + 1", [
      {
        secretSeeds: [
          { seed: "a" },
          { seed: "b", expireTime: new Date(Number(expired.seconds) * 1_000).toISOString() },
        ],
      },
    ]);
    const kept = await rotateSecret(database.pool, "billing");
    expect(kept.secretSeeds.map(({ seed }) => seed).slice(1)).toEqual(["a"]);
    const alone = await rotateSecret(database.pool, "billing", 0);
    expect(alone.secretSeeds.map(({ seed }) => seed)).not.toContain(kept.secretSeeds[0]?.seed);
  });

  test("is bounded, and refused where the deployment's own secret signs", async () => {
    await createSubscription(database.pool, log, make());
    for (let round = 0; round < 7; round++) await rotateSecret(database.pool, "billing");
    await expect(rotateSecret(database.pool, "billing")).rejects.toMatchObject({
      code: "failed_precondition",
    });
    await expect(rotateSecret(database.pool, "billing", -1)).rejects.toMatchObject({ field: "overlap" });
    await createSubscription(database.pool, log, make({ name: "own", endpoint: "class:micro" }));
    await expect(rotateSecret(database.pool, "own")).rejects.toMatchObject({ code: "failed_precondition" });
  });
});

test("the list tells cursor, lag, holder, parked and dead letters", async () => {
  await createSubscription(database.pool, log, make(), { kind: "sequence", sequence: 7n });
  await createSubscription(database.pool, log, make({ name: "done" }));
  await database.query(
    `insert into quartet.relay_lease values ('subscription/billing', 1, 'one', now() + interval '1 minute'),
  ('subscription/done', 1, 'gone', now() - interval '1 minute')`,
  );
  const [behind, done] = await listSubscriptions(database.pool);
  expect(behind).toMatchObject({ cursor: 6n, head: 10n, parked: 0n, deadLetters: 0n, holder: "one" });
  expect(Number(behind?.lag?.seconds)).toBeGreaterThanOrEqual(3);
  expect(done).toMatchObject({ cursor: 10n, holder: "" });
  expect(done?.lag).toBeUndefined();
});

test("rows are read again when they have changed, also when another one has the name", async () => {
  await createSubscription(database.pool, log, make());
  await createSubscription(database.pool, log, make({ name: "other" }));
  const first = await readSubscriptionRows(database.pool, new Map());
  const same = await readSubscriptionRows(database.pool, first);
  expect([...same].every(([name, row]) => first.get(name) === row)).toBe(true);
  await pauseSubscription(database.pool, "billing", "");
  await deleteSubscription(database.pool, "other", new Set());
  await createSubscription(database.pool, log, make({ name: "other", rate: 3 }));
  const changed = await readSubscriptionRows(database.pool, same);
  expect(changed.get("billing")?.subscription.paused).toBe(true);
  expect(changed.get("other")?.subscription.rate).toBe(3);
  await deleteSubscription(database.pool, "other", new Set());
  expect([...(await readSubscriptionRows(database.pool, changed)).keys()]).toEqual(["billing"]);
});
