import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { pollUntil } from "../../cluster/postgres/poll-until.ts";
import { OperationEndedSchema } from "../../gen/quartet/v1/callback_pb.ts";
import { OperationRecordSchema, OperationState } from "../../gen/quartet/v1/operation_pb.ts";
import { DeliveryOrder } from "../../gen/quartet/v1/options_pb.ts";
import { DeliveryState } from "../../gen/quartet/v1/relay_admin_pb.ts";
import { createEventId, deriveEventId } from "../../outbox/event-id.ts";
import { encodeJson } from "../../schema/json/json.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import { publicAddresses } from "../../wire/http/address-rules.ts";
import { readCausedEvents } from "../delivery/caused-events.ts";
import { readDeliveries } from "../delivery/read-deliveries.ts";
import { openTestDelivery, type TestDelivery } from "../delivery/test-delivery.ts";
import { openTestSubscriber } from "../delivery/test-subscriber.ts";
import type { CapturedEvent } from "../log/log-event.ts";
import { http, openTestEndpoint } from "../push/test-endpoint.ts";
import { answering, anywhere } from "../push/test-push.ts";
import { CallbackTarget } from "./callback-target.ts";

let delivery: TestDelivery;
beforeAll(async () => {
  delivery = await openTestDelivery();
});
afterAll(() => delivery[Symbol.asyncDispose]());

const type = OperationEndedSchema.typeName;

function ended(operationId: string, callbackUrl: string): Partial<CapturedEvent> {
  const record = create(OperationRecordSchema, { operationId, state: OperationState.COMMITTED, callbackUrl });
  const message = create(OperationEndedSchema, { callbackUrl, record });
  const payload = JSON.stringify(encodeJson(OperationEndedSchema, message, systemRegistry));
  return { type, key: operationId, payload, correlationId: operationId };
}

const subscribe = (init = {}) =>
  delivery.subscribe("https://instead.example", {
    types: [type],
    order: DeliveryOrder.NONE,
    concurrency: 16,
    ...init,
  });

test("a host that hangs holds up no callback to another, though it has ten times as many", async () => {
  await using hanging = await openTestEndpoint(() => undefined);
  await using well = await answering(http(204));
  const subscription = await subscribe({ delivery: { timeout: durationFromMs(60_000) } });
  await using _run = delivery.run(subscription, { target: new CallbackTarget(systemRegistry, anywhere) });
  await delivery.appendEvents(
    Array.from({ length: 220 }, (_, at) => ended(`op-${at}`, at % 11 === 10 ? well.url : hanging.url)),
  );
  await vi.waitFor(() => expect(well.requests).toHaveLength(20), { timeout: 10_000 });
  expect(hanging.requests).toHaveLength(8);
  // What waits for the host is stored, and has lost no attempt by that.
  const parked = await pollUntil(
    async () => {
      const [row] = await delivery.database.query<{ count: bigint; attempts: number }>(
        "select count(*), max(attempts)::int as attempts from quartet.delivery_parked where subscription = $1",
        [subscription.name],
      );
      return row?.count === 192n ? row : undefined;
    },
    { timeoutMs: 10_000, intervalMs: 20 },
  );
  expect(parked).toMatchObject({ attempts: 0 });
});

test("a callback has its attempts, then is a dead letter that says why; the others go on", async () => {
  await using well = await answering(http(204));
  await using ill = await answering(http(500, {}, "broken"));
  const subscription = await subscribe({ delivery: { retry: 2, backoffDelay: durationFromMs(5) } });
  await using _run = delivery.run(subscription, { target: new CallbackTarget(systemRegistry, anywhere) });
  await delivery.appendEvents([ended("ill", `${ill.url}/x`), ended("well", well.url)]);
  await delivery.caughtUp(subscription);
  expect([well.requests.length, ill.requests.length]).toEqual([1, 3]);
  const letters = await delivery.database.query(
    "select event_key, attempts, last_status, last_answer, destination from quartet.dead_letter where subscription = $1",
    [subscription.name],
  );
  const letter = { event_key: "ill", attempts: 3, last_status: 500, last_answer: "broken" };
  expect(letters).toEqual([{ ...letter, destination: `${ill.url}/x` }]);
});

test("a push to an address that is not public has its attempts too, for callbacks and for subscriptions", async () => {
  await using subscriber = await openTestSubscriber(() => 204);
  const quick = { retry: 1, backoffDelay: durationFromMs(5) };
  const callbacks = await subscribe({ delivery: quick });
  await using _run = delivery.run(callbacks, {
    target: new CallbackTarget(systemRegistry, { rules: publicAddresses }),
  });
  await delivery.appendEvents([ended("inside", subscriber.url)]);
  await delivery.caughtUp(callbacks);
  const [letter] = await delivery.database.query<{ attempts: number; last_answer: string }>(
    "select attempts, last_answer from quartet.dead_letter where subscription = $1",
    [callbacks.name],
  );
  expect(letter).toMatchObject({
    attempts: 2,
    last_answer: expect.stringContaining("QUARTET_ALLOW_PRIVATE"),
  });
  expect(subscriber.pushes).toEqual([]);
});

test("the fate of what a command caused: delivered, waiting, parked and dead, and nothing of others", async () => {
  const acceptMs = Date.now() - 5_000;
  await using subscriber = await openTestSubscriber(() => 204);
  await using ill = await answering(http(500, {}, "broken"));
  await using refusing = await answering(http(400, {}, "never"));
  const types = ["shop.v1.Placed", "shop.v1.Noted"];
  const retry = { retry: 5, backoffDelay: durationFromMs(60_000) };
  const delivered = await delivery.subscribe(subscriber.url, { types });
  const parked = await delivery.subscribe(ill.url, { types: ["shop.v1.Placed"], delivery: retry });
  const dead = await delivery.subscribe(refusing.url, { types: ["shop.v1.Noted"] });
  const waiting = await delivery.subscribe(subscriber.url, { types: ["shop.v1.Noted"], filters: [] });
  const cause = createEventId(acceptMs);
  const [placed, noted] = [deriveEventId(cause, "event/0"), deriveEventId(cause, "reply/x/0")];
  await delivery.appendEvents([
    { eventId: createEventId(acceptMs), key: "a", type: "shop.v1.Placed", correlationId: "another" },
    { eventId: placed, key: "b", type: "shop.v1.Placed", causationId: cause, correlationId: "mine" },
    { eventId: noted, type: "shop.v1.Noted", causationId: placed },
    { eventId: createEventId(acceptMs + 1), type: "shop.v1.Placed", correlationId: "mine of another time" },
  ]);
  await using _one = delivery.run(delivered);
  await using _two = delivery.run(parked);
  await using _three = delivery.run(dead);
  await delivery.caughtUp(delivered);
  await delivery.caughtUp(dead);
  await vi.waitFor(() => expect(ill.requests.length).toBeGreaterThan(0));
  const read = async () => {
    const { events } = await readCausedEvents(delivery.database.pool, "mine", acceptMs);
    return readDeliveries(delivery.database.pool, "test", events);
  };
  await vi.waitFor(async () => {
    const states = (await read()).flatMap(({ deliveries = [] }) => deliveries.map(({ state }) => state));
    expect(states).toContain(DeliveryState.PARKED);
    expect(states).toContain(DeliveryState.DEAD);
  });
  const [first, second, ...none] = await read();
  expect(none).toEqual([]);
  expect(first).toMatchObject({ eventId: placed, causationId: cause });
  const byName = (event: typeof first) =>
    Object.fromEntries((event?.deliveries ?? []).map((each) => [each.subscription, each]));
  expect(byName(first)).toMatchObject({
    [delivered.name]: { state: DeliveryState.DELIVERED },
    [parked.name]: { state: DeliveryState.PARKED, lastStatus: 500, lastAnswer: "broken" },
  });
  expect(byName(second)).toMatchObject({
    [delivered.name]: { state: DeliveryState.DELIVERED },
    [dead.name]: { state: DeliveryState.DEAD, attempts: 1, lastStatus: 400, lastAnswer: "never" },
    [waiting.name]: { state: DeliveryState.WAITING },
  });
  expect(Object.keys(byName(first))).toEqual([delivered.name, parked.name].sort());
});
