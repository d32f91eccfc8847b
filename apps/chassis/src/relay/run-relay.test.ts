import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { testDomain } from "../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { type Subscription, SubscriptionSchema } from "../gen/quartet/v1/subscription_pb.ts";
import { createEventId } from "../outbox/event-id.ts";
import { allAddresses } from "../wire/http/address-rules.ts";
import { parseSecret } from "../wire/webhook/webhook-signature.ts";
import { openTestSubscriber } from "./delivery/test-subscriber.ts";
import { runRelay } from "./run-relay.ts";
import { createSubscription } from "./subscription/create-subscription.ts";
import { deleteSubscription } from "./subscription/delete-subscription.ts";
import { pauseSubscription, resumeSubscription } from "./subscription/pause-subscription.ts";
import { logEnds } from "./subscription/test-log.ts";
import { updateSubscription } from "./subscription/update-subscription.ts";

const waitMs = 20_000;
const upstreams = new ClassUpstreams({ crud: [], micro: [], nano: [], lambda: [] });
const secrets = [parseSecret(`whsec_${randomBytes(32).toString("base64")}`)];
let database: TestDatabase;
let relays: Relay[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
});
afterAll(async () => {
  await upstreams[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});
beforeEach(() =>
  database.query("truncate quartet.subscription, quartet.delivery_cursor, quartet.delivery_parked"),
);
afterEach(async () => {
  await Promise.all(relays.map((relay) => relay.stop()));
  relays = [];
});

interface Relay {
  readonly process: string;
  readonly lines: readonly string[];
  stop(): Promise<void>;
}

/** Starts a relay process' worth of a relay; resolves when it is active. */
async function start(process: string): Promise<Relay> {
  const controller = new AbortController();
  const lines: string[] = [];
  const logger = pino({ level: "info" }, { write: (line) => void lines.push(line) });
  const { promise: active, resolve: onActive } = Promise.withResolvers<void>();
  const running = runRelay(
    {
      domain: testDomain,
      databaseUrl: database.url(),
      eventsDatabaseUrl: database.url(),
      upstreams,
      addressRules: allAddresses,
      secrets,
      logger,
      process,
      onActive,
    },
    controller.signal,
  );
  const relay = {
    process,
    lines,
    stop: async () => {
      controller.abort();
      await running;
    },
  };
  relays.push(relay);
  await active;
  return relay;
}

/** Commits so many events, a transaction each. Returns their ids. */
async function publish(count: number, key = "key"): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, () => createEventId());
  for (const id of ids) {
    await database.query(
      `insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload)
values ($1, 'test', $2, 'test.v1.Happened', '{}')`,
      [id, key],
    );
  }
  return ids;
}

function subscribe(name: string, endpoint: string): Promise<Subscription> {
  const subscription = create(SubscriptionSchema, { name, endpoint, types: ["test.v1.Happened"] });
  return createSubscription(database.pool, logEnds(database), subscription);
}

async function leaseOf(name: string): Promise<{ holder: string | null; epoch: bigint } | undefined> {
  const rows = await database.query<{ holder: string | null; epoch: bigint }>(
    "select holder, epoch from quartet.relay_lease where name = $1 and expires_at > now()",
    [name],
  );
  return rows[0];
}

function held(name: string): Promise<void> {
  return expect.poll(() => leaseOf(name), { timeout: waitMs }).toBeDefined();
}

test("a subscription that is created while the relay runs gets what is published from then on", async () => {
  await start("one");
  await using subscriber = await openTestSubscriber(() => 204);
  await subscribe("billing", subscriber.url);
  const ids = await publish(20);
  await expect.poll(() => subscriber.acknowledged("key"), { timeout: waitMs }).toEqual(ids);
});

test("a paused one gets nothing and then all that it missed", async () => {
  await start("one");
  await using subscriber = await openTestSubscriber(() => 204);
  await subscribe("billing", subscriber.url);
  await held("subscription/billing");
  await pauseSubscription(database.pool, "billing", "for a test");
  await expect.poll(() => leaseOf("subscription/billing"), { timeout: waitMs }).toBeUndefined();
  await using witness = await openTestSubscriber(() => 204);
  await subscribe("witness", witness.url);
  const ids = await publish(5);
  await expect.poll(() => witness.acknowledged("key"), { timeout: waitMs }).toEqual(ids);
  expect(subscriber.pushes).toEqual([]);
  await resumeSubscription(database.pool, "billing");
  await expect.poll(() => subscriber.acknowledged("key"), { timeout: waitMs }).toEqual(ids);
});

test("a changed one goes on with its new settings where it was, under the same lease", async () => {
  await start("one");
  await using before = await openTestSubscriber(() => 204);
  await using after = await openTestSubscriber(() => 204);
  await subscribe("billing", before.url);
  const first = await publish(3);
  await expect.poll(() => before.acknowledged("key"), { timeout: waitMs }).toEqual(first);
  const lease = await leaseOf("subscription/billing");
  const changes = create(SubscriptionSchema, { name: "billing", endpoint: after.url });
  await updateSubscription(database.pool, changes, ["endpoint"]);
  const poll = async () => {
    await publish(1);
    return after.pushes.length;
  };
  await expect.poll(poll, { timeout: waitMs }).toBeGreaterThan(0);
  expect(await leaseOf("subscription/billing")).toEqual(lease);
  const all = await database.query<{ id: string }>("select id from quartet.outbox order by place");
  const seen = [...before.pushes, ...after.pushes].map(({ eventId }) => eventId);
  const expected = all.map(({ id }) => id).slice(all.findIndex(({ id }) => id === first[0]));
  await expect
    .poll(() => [...before.pushes, ...after.pushes].length, { timeout: waitMs })
    .toBe(expected.length);
  expect(seen).toEqual(expected.slice(0, seen.length));
});

test("a deleted one is soon pushed to no more, and what takes its name begins anew", async () => {
  await start("one");
  await using subscriber = await openTestSubscriber(() => 204);
  await subscribe("billing", subscriber.url);
  const first = await publish(2);
  await expect.poll(() => subscriber.acknowledged("key"), { timeout: waitMs }).toEqual(first);
  await deleteSubscription(database.pool, "billing", new Set());
  await using other = await openTestSubscriber(() => 204);
  await subscribe("billing", other.url);
  const second = await publish(2);
  await expect.poll(() => other.acknowledged("key"), { timeout: waitMs }).toEqual(second);
  const seen = subscriber.pushes.length;
  const third = await publish(2);
  await expect.poll(() => other.acknowledged("key"), { timeout: waitMs }).toEqual([...second, ...third]);
  expect(subscriber.pushes).toHaveLength(seen);
});

test("one that cannot be pushed to is halted until it is changed, and no other with it", async () => {
  await using subscriber = await openTestSubscriber(() => 204);
  await subscribe("billing", subscriber.url);
  await database.query(
    `insert into quartet.subscription (pb) values ('{"name": "broken", "endpoint": "nowhere"}')`,
  );
  const relay = await start("one");
  await held("subscription/broken");
  const ids = await publish(3);
  await expect.poll(() => subscriber.acknowledged("key"), { timeout: waitMs }).toEqual(ids);
  await expect
    .poll(() => relay.lines.filter((line) => line.includes("halted")), { timeout: waitMs })
    .toHaveLength(1);
});

test("several relays share the work, and what one that stops has begun the others go on with", async () => {
  const names = ["a", "b", "c", "d"];
  await using subscriber = await openTestSubscriber(() => 204);
  for (const name of names) await subscribe(name, subscriber.url);
  const one = await start("one");
  await start("two");
  const holders = async () => {
    const rows = await database.query<{ holder: string }>(
      "select distinct holder from quartet.relay_lease where holder is not null order by 1",
    );
    return rows.map(({ holder }) => holder);
  };
  await expect.poll(holders, { timeout: waitMs }).toEqual(["one", "two"]);
  const first = await publish(10);
  await one.stop();
  const second = await publish(10);
  const seen = () => [...new Set(subscriber.pushes.map(({ eventId }) => eventId))];
  await expect.poll(() => subscriber.pushes.length, { timeout: waitMs }).toBeGreaterThanOrEqual(80);
  await expect.poll(seen, { timeout: waitMs }).toHaveLength(20);
  expect(seen().toSorted()).toEqual([...first, ...second].toSorted());
  expect(await holders()).toEqual(["two"]);
});
