import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AttemptLog } from "../../gen/quartet/v1/subscription_pb.ts";
import { openTestDelivery, quickRetries, type TestDelivery } from "./test-delivery.ts";
import { openTestSubscriber, type TestAnswer } from "./test-subscriber.ts";

let delivery: TestDelivery;

beforeAll(async () => {
  delivery = await openTestDelivery();
});
afterAll(() => delivery[Symbol.asyncDispose]());

interface ReplyInit {
  readonly type: string;
  readonly data: unknown;
  readonly [extension: string]: unknown;
}

/** An answer that carries these events. */
function reply(...events: readonly ReplyInit[]): TestAnswer {
  const body = events.map((event, index) => ({
    specversion: "1.0",
    id: `r-${index}`,
    source: "/fn",
    ...event,
  }));
  const headers = { "content-type": "application/cloudevents-batch+json" };
  return { status: 200, headers, body: JSON.stringify(body) };
}

const published = (causes: readonly string[]) =>
  delivery.database.query<{ type: string; aggregateid: string; payload: unknown; causationid: string }>(
    "select id, type, aggregatetype, aggregateid, payload, causationid, traceparent from quartet.outbox where causationid = any($1) order by place",
    [causes],
  );
const lettersOf = (name: string) =>
  delivery.database.query<{ last_answer: string }>(
    "select last_answer, attempts from quartet.dead_letter where subscription = $1",
    [name],
  );

test("the events of an answer are published with the acknowledgement, under the key that they name", async () => {
  const placed = { type: "test.v1.Placed", data: { number: "7" } };
  const noted = { type: "test.v1.Noted", data: { text: "hi" } };
  await using subscriber = await openTestSubscriber(() =>
    reply(placed, { ...placed, partitionkey: "p" }, { ...noted, subject: "s" }, noted),
  );
  const subscription = await delivery.subscribe(subscriber.url, { replies: true });
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const causes = await delivery.appendEvents([{ key: "cause", traceparent }]);
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  const events = await published(causes);
  expect(events.map(({ type, aggregateid }) => [type, aggregateid])).toEqual([
    ["test.v1.Placed", "7"],
    ["test.v1.Placed", "p"],
    ["test.v1.Noted", "s"],
    ["test.v1.Noted", "cause"],
  ]);
  expect(events[0]).toMatchObject({ aggregatetype: "order", traceparent, causationid: causes[0] });
  expect(events[0]?.payload).toEqual({ number: "7" });
});

test("a push that is repeated publishes nothing twice, whatever its answer says then", async () => {
  await using subscriber = await openTestSubscriber((_id, earlier) =>
    reply({ type: "test.v1.Noted", data: { text: `time ${earlier}` } }),
  );
  const subscription = await delivery.subscribe(subscriber.url, { replies: true });
  const causes = await delivery.appendEvents([{ key: "a" }]);
  await using crashed = delivery.run(subscription, {
    onPoint: (point) => {
      if (point === "settled") throw new Error("crash");
    },
  });
  await expect(crashed.ended).rejects.toThrow("crash");
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  expect(subscriber.pushes).toHaveLength(2);
  expect((await published(causes)).map(({ payload }) => payload)).toEqual([{ text: "time 0" }]);
});

test("an event that was parked ends with its answer, in one transaction with its attempts", async () => {
  await using subscriber = await openTestSubscriber((_id, earlier) =>
    earlier === 0 ? 500 : reply({ type: "test.v1.Noted", data: { text: "late" } }),
  );
  const subscription = await delivery.subscribe(subscriber.url, {
    replies: true,
    attemptLog: AttemptLog.ALL,
  });
  const causes = await delivery.appendEvents([{ key: "k" }, { key: "k" }]);
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  expect(await published(causes)).toHaveLength(2);
  const attempts = await delivery.database.query(
    "select attempt, status from quartet.delivery_attempt where subscription = $1 order by seq, attempt",
    [subscription.name],
  );
  expect(attempts).toEqual([
    { attempt: 1, status: 500 },
    { attempt: 2, status: 200 },
    { attempt: 1, status: 500 },
    { attempt: 2, status: 200 },
  ]);
});

test.each([
  ["of a type that the domain lacks", { type: "test.v1.Unheard", data: {} }, "which this domain lacks"],
  ["of the platform, from a stranger", { type: "quartet.v1.Intent", data: {} }, "for classes of the domain"],
  ["with data of another shape", { type: "test.v1.Placed", data: { number: "x" } }, "malformed"],
  ["with a key that is too long", { type: "test.v1.Noted", data: {}, partitionkey: "k".repeat(300) }, "key"],
])(
  "an answer with an event %s makes a dead letter that says so, and publishes nothing",
  async (_name, bad, reason) => {
    await using subscriber = await openTestSubscriber(() =>
      reply({ type: "test.v1.Noted", data: { text: "good" } }, bad),
    );
    const subscription = await delivery.subscribe(subscriber.url, { replies: true });
    const causes = await delivery.appendEvents([{ key: "k" }]);
    await using _run = delivery.run(subscription);
    await delivery.caughtUp(subscription);
    expect(await published(causes)).toEqual([]);
    expect((await lettersOf(subscription.name))[0]?.last_answer).toContain(reason);
  },
);

test("a 202 and an answer to a subscription that asks for none publish nothing", async () => {
  const answer = reply({ type: "test.v1.Noted", data: { text: "unasked" } });
  await using accepting = await openTestSubscriber(() => ({ ...answer, status: 202 }));
  await using unasked = await openTestSubscriber(() => answer);
  const subscriptions = [
    await delivery.subscribe(accepting.url, { replies: true }),
    await delivery.subscribe(unasked.url),
  ];
  const causes = await delivery.appendEvents([{ key: "k" }]);
  for (const subscription of subscriptions) {
    await using _run = delivery.run(subscription);
    await delivery.caughtUp(subscription);
  }
  expect(await published(causes)).toEqual([]);
});

test("an own class that is not well is left in peace, and its events are not blamed", async () => {
  let away = true;
  let pushes = 0;
  const server = createServer((request, response) => {
    request.resume();
    if (request.url !== "/readyz") pushes += 1;
    response.writeHead(away ? 503 : 204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const subscription = await delivery.subscribe("class:micro", { delivery: { ...quickRetries, retry: 1 } });
  await delivery.append(3, 3);
  await using _run = delivery.run(subscription, { upstreams: { micro: [url] } });
  await expect.poll(() => pushes, { timeout: 20_000 }).toBeGreaterThan(40);
  expect(await lettersOf(subscription.name)).toEqual([]);
  away = false;
  await delivery.caughtUp(subscription);
  expect(await lettersOf(subscription.name)).toEqual([]);
  server.closeAllConnections();
  server.close();
});
