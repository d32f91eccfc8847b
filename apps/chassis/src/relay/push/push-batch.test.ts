import { describe, expect, test } from "vitest";
import { ContentMode, DeliveryOrder } from "../../gen/quartet/v1/options_pb.ts";
import { formatBatchFailures } from "../../wire/batch-result.ts";
import { decodeCloudEvents } from "../../wire/cloud-event/cloud-event.ts";
import type { LogEvent } from "../log/log-event.ts";
import { http, openTestEndpoint, type RawRequest } from "./test-endpoint.ts";
import { answering, closed, kinds, push, testEvent } from "./test-push.ts";

describe("a batch", () => {
  const batch = { mode: ContentMode.BATCH };
  const three = () => [testEvent({ key: "a" }), testEvent({ key: "b" }), testEvent({ key: "a" })];
  const idsOf = ({ headers, body }: RawRequest) => decodeCloudEvents(headers, body).map(({ id }) => id);
  const results = (failures: Parameters<typeof formatBatchFailures>[0]) =>
    http(200, { "content-type": "application/json" }, formatBatchFailures(failures));

  test("goes as one request and is acknowledged by one 2xx", async () => {
    await using endpoint = await answering(http(204));
    const events = three();
    const answer = await push(endpoint, { events, subscription: batch });
    expect(kinds(answer)).toEqual(["acknowledged", "acknowledged", "acknowledged"]);
    expect(endpoint.requests.map(idsOf)).toEqual([events.map(({ eventId }) => eventId)]);
  });

  test("each event that a 2xx names has the outcome of its status; ids that are not in it are ignored", async () => {
    const events = [...three(), testEvent(), testEvent()];
    const [a, b, c, d] = events.map(({ eventId }) => eventId);
    await using endpoint = await answering(
      results([
        { eventId: b ?? "", status: 409, retryAfterSeconds: 3, detail: "busy" },
        { eventId: c ?? "", status: 422 },
        { eventId: d ?? "", status: 200 },
        { eventId: `${a}x`, status: 500 },
      ]),
    );
    const answer = await push(endpoint, { events, subscription: batch });
    const [, second] = answer.outcomes;
    expect(kinds(answer)).toEqual(["acknowledged", "retry", "refused", "acknowledged", "acknowledged"]);
    expect(second).toMatchObject({ status: 409, retryAfterMs: 3_000, answer: "busy" });
    expect(answer.endpoint).toBe("answered");
  });

  test("an event that is turned away for lack of room tells that the endpoint is overloaded", async () => {
    const [first, ...others] = three();
    await using endpoint = await answering(results([{ eventId: first?.eventId ?? "", status: 503 }]));
    const answer = await push(endpoint, { events: first ? [first, ...others] : [], subscription: batch });
    expect(kinds(answer)).toEqual(["away", "acknowledged", "acknowledged"]);
    expect(answer.endpoint).toBe("overloaded");
  });

  test.each(["{", "[]", '{"batchItemFailures": 5}', "null"])("2xx with %s takes all", async (body) => {
    await using endpoint = await answering(http(200, { "content-type": "application/json" }, body));
    const answer = await push(endpoint, { events: three(), subscription: batch });
    expect(kinds(answer)).toEqual(["acknowledged", "acknowledged", "acknowledged"]);
  });

  test("headers that are sent twice do no harm", async () => {
    const twice = "content-type: application/json\r\nretry-after: 1\r\n";
    await using taking = await answering(`HTTP/1.1 200 X\r\n${twice}${twice}content-length: 2\r\n\r\n{}`);
    expect(kinds(await push(taking, { events: three(), subscription: batch }))).toEqual(
      Array(3).fill("acknowledged"),
    );
    await using busy = await answering(`HTTP/1.1 503 X\r\n${twice}${twice}content-length: 0\r\n\r\n`);
    const answer = await push(busy, { events: three(), subscription: batch });
    expect(answer.outcomes).toMatchObject(Array(3).fill({ kind: "away", status: 503 }));
  });

  test("results that do not come whole acknowledge nothing", async () => {
    const text = results([{ eventId: "x", status: 500 }]);
    await using endpoint = await answering(text.slice(0, -5));
    const answer = await push(endpoint, { events: three(), subscription: batch, timeoutMs: 200 });
    expect(kinds(answer)).toEqual(["away", "away", "away"]);
    await closed(endpoint);
    const failures = Array.from({ length: 1_000 }, (_, index) => ({
      eventId: `${index}`,
      status: 500,
      detail: "x".repeat(200),
    }));
    await using wordy = await answering(results(failures));
    const cut = await push(wordy, { events: three(), subscription: batch });
    expect(kinds(cut)).toEqual(["retry", "retry", "retry"]);
  });

  test("a non-2xx is the outcome of each", async () => {
    await using endpoint = await answering(http(500));
    const answer = await push(endpoint, { events: three(), subscription: batch });
    expect(kinds(answer)).toEqual(["retry", "retry", "retry"]);
    expect(endpoint.requests).toHaveLength(1);
  });

  describe("that is refused as a whole goes event by event", () => {
    /** Refuses batches; single events get the status that is given for their place in the batch. */
    const picky = (events: readonly LogEvent[], statuses: readonly number[]) =>
      openTestEndpoint((socket, request) => {
        const [id, ...more] = idsOf(request);
        const index = events.findIndex(({ eventId }) => eventId === id);
        const status = more.length > 0 ? 400 : statuses[index];
        if (status !== 0) socket.write(http(status ?? 500));
      });

    test("and only the one that is to blame is refused", async () => {
      const events = three();
      await using endpoint = await picky(events, [204, 400, 204]);
      const answer = await push(endpoint, { events, subscription: batch });
      expect(kinds(answer)).toEqual(["acknowledged", "refused", "acknowledged"]);
      expect(endpoint.requests).toHaveLength(4);
    });

    test.each([
      ["of its key wait", DeliveryOrder.UNSPECIFIED, ["retry", "acknowledged", "retry"], 3],
      ["wait, in total order", DeliveryOrder.TOTAL, ["retry", "retry", "retry"], 2],
      ["go, without order", DeliveryOrder.NONE, ["retry", "acknowledged", "acknowledged"], 4],
    ])("and those behind one that failed %s", async (_, order, expected, requests) => {
      const events = three();
      await using endpoint = await picky(events, [500, 204, 204]);
      const answer = await push(endpoint, { events, subscription: { ...batch, order } });
      expect(kinds(answer)).toEqual(expected);
      expect(endpoint.requests).toHaveLength(requests);
    });

    test("until the endpoint is away: those behind are certainly not seen", async () => {
      const events = three();
      await using endpoint = await picky(events, [204, 0, 204]);
      const answer = await push(endpoint, { events, subscription: batch, timeoutMs: 800 });
      expect(answer.outcomes).toMatchObject([
        { kind: "acknowledged" },
        { kind: "away", unreachable: false },
        { kind: "away", unreachable: true },
      ]);
      expect(answer.endpoint).toBe("overloaded");
      expect(endpoint.requests).toHaveLength(3);
    });
  });

  test("with an event that cannot be encoded goes event by event, and that one alone is refused", async () => {
    await using endpoint = await answering(http(204));
    const events = [testEvent(), testEvent({ type: "" }), testEvent()];
    const answer = await push(endpoint, { events, subscription: batch });
    expect(kinds(answer)).toEqual(["acknowledged", "refused", "acknowledged"]);
    expect(endpoint.requests).toHaveLength(2);
  });

  test("to a target that takes one event a request is as many requests", async () => {
    await using endpoint = await answering(http(204));
    const answer = await push(endpoint, { events: three() });
    expect(kinds(answer)).toEqual(["acknowledged", "acknowledged", "acknowledged"]);
    expect(endpoint.requests).toHaveLength(3);
  });

  test("of none is no request", async () => {
    await using endpoint = await answering(http(204));
    expect(await push(endpoint, { events: [] })).toMatchObject({ outcomes: [], endpoint: "unsent" });
    expect(endpoint.requests).toHaveLength(0);
  });
});
