import type { Socket } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ContentMode } from "../../gen/quartet/v1/options_pb.ts";
import { decodeCloudEvents } from "../../wire/cloud-event/cloud-event.ts";
import { verifyWebhook } from "../../wire/webhook/webhook-signature.ts";
import { activeSecrets } from "./subscription-secrets.ts";
import { http, openTestEndpoint } from "./test-endpoint.ts";
import {
  answering,
  closed,
  kinds,
  openTestTarget,
  push,
  pushTo,
  testEvent,
  testSecret,
  testSubscription,
} from "./test-push.ts";

/** Disposed here when a test did not get to it. */
const endless: NodeJS.Timeout[] = [];
afterEach(() => endless.splice(0).forEach(clearInterval));

/** Writes without end. */
function flood(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 5);
  endless.push(timer);
  socket.once("close", () => clearInterval(timer));
}

describe("one event", () => {
  test("is posted, signed, to the path of the endpoint, and acknowledged by a 2xx", async () => {
    await using endpoint = await answering(http(202, {}, "thank you"));
    const subscription = testSubscription({ endpoint: `${endpoint.url}/hook?a=b#c` });
    await using target = openTestTarget(subscription);
    const event = testEvent();
    const answer = await pushTo(target, subscription, [event]);
    expect(answer).toMatchObject({
      outcomes: [{ kind: "acknowledged" }],
      endpoint: "answered",
      status: 202,
      destination: `${endpoint.url}/hook?a=b`,
    });
    const [request] = endpoint.requests;
    expect(request?.line).toBe("POST /hook?a=b HTTP/1.1");
    const { secrets } = activeSecrets([testSecret], subscription, Date.now());
    const { headers = {}, body = Buffer.alloc(0) } = request ?? {};
    verifyWebhook(secrets, headers, body, Date.now() / 1000);
    expect(decodeCloudEvents(headers, body)[0]?.id).toBe(event.eventId);
  });

  test.each([
    [301, "refused", "answered"],
    [400, "refused", "answered"],
    [404, "retry", "answered"],
    [410, "gone", "answered"],
    [429, "away", "overloaded"],
    [500, "retry", "answered"],
    [503, "away", "overloaded"],
  ])("answered with %d is %s, and the endpoint has %s", async (status, kind, endpoint) => {
    await using server = await answering(http(status, { location: "/elsewhere" }, "why"));
    const answer = await push(server);
    expect(answer).toMatchObject({ endpoint, status, outcomes: [{ kind, status, answer: "why" }] });
    expect(server.requests).toHaveLength(1);
  });

  test("a failure says after how long to come back", async () => {
    await using endpoint = await answering(http(503, { "retry-after": "7" }));
    expect((await push(endpoint)).outcomes).toMatchObject([{ retryAfterMs: 7_000 }]);
  });

  test("of a failure's body the first KiB is kept, and its connection costs no more than itself", async () => {
    await using endpoint = await openTestEndpoint((socket) => {
      socket.write("HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n");
      flood(socket, `400\r\n${"x".repeat(1024)}\r\n`);
    });
    const [outcome] = (await push(endpoint, { timeoutMs: 60_000 })).outcomes;
    expect(outcome).toMatchObject({ kind: "retry", status: 500, answer: "x".repeat(1024) });
    await closed(endpoint);
  });

  test("uses its connections again and again: one for each push at once, and one more", async () => {
    await using endpoint = await answering(http(200, {}, "x".repeat(10_000)));
    const subscription = testSubscription({ endpoint: endpoint.url, concurrency: 1 });
    await using target = openTestTarget(subscription);
    for (let time = 0; time < 20; time++) await pushTo(target, subscription, [testEvent()]);
    expect(endpoint.accepted).toBeLessThanOrEqual(2);
  });
});

describe("an endpoint that lies or says nothing", () => {
  test("refuses the connection: certainly not seen", async () => {
    const endpoint = await answering("");
    await endpoint[Symbol.asyncDispose]();
    const answer = await push(endpoint);
    expect(answer).toMatchObject({ endpoint: "unreachable", status: 0 });
    expect(answer.outcomes).toMatchObject([{ kind: "away", status: 0, unreachable: true }]);
    expect(JSON.stringify(answer.outcomes)).toContain("ECONNREFUSED");
  });

  test.each<[string, (socket: Socket) => void]>([
    ["never answers", () => undefined],
    ["never ends its headers", (socket) => socket.write("HTTP/1.1 200 OK\r\nx: y\r\n")],
    ["sends headers for ever", (socket) => flood(socket, "HTTP/1.1 103 Early Hints\r\n\r\n")],
  ])("%s: away when the time is over, and the connection with it", async (_, answer) => {
    await using endpoint = await openTestEndpoint(answer);
    const result = await push(endpoint, { timeoutMs: 100 });
    expect(result).toMatchObject({ endpoint: "overloaded", status: 0, outcomes: [{ kind: "away" }] });
    expect(result.outcomes).toMatchObject([
      { unreachable: false, answer: expect.stringContaining("100 ms") },
    ]);
    await closed(endpoint);
  });

  test.each<[string, (socket: Socket) => void]>([
    ["hangs up", (socket) => socket.end()],
    ["resets the connection", (socket) => socket.resetAndDestroy()],
    ["speaks no HTTP", (socket) => socket.write("220 smtp.example.com ESMTP\r\n")],
    ["has endless headers", (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`)],
    ["has a length that is none", (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n")],
    [
      "switches protocols",
      (socket) => socket.write("HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    ],
  ])("%s: away, and no connection is left", async (_, answer) => {
    await using endpoint = await openTestEndpoint(answer);
    const result = await push(endpoint, { timeoutMs: 10_000 });
    expect(result).toMatchObject({
      endpoint: "overloaded",
      outcomes: [{ kind: "away", unreachable: false }],
    });
    expect(result.outcomes).not.toMatchObject([{ answer: expect.stringContaining("no whole answer") }]);
    await closed(endpoint);
  });

  test.each<[string, (socket: Socket) => void]>([
    [
      "a body that never ends",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        flood(socket, "1\r\nx\r\n");
      },
    ],
    ["a body that is never sent", (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")],
    [
      "a body without end in size",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        flood(socket, "x".repeat(50_000));
      },
    ],
    [
      "a body that is no chunk",
      (socket) => socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n§§"),
    ],
    [
      "a reset in the middle",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx", () => {
          setTimeout(() => socket.resetAndDestroy(), 20);
        });
      },
    ],
  ])("2xx with %s is an acknowledgement, and costs its connection at most", async (_, answer) => {
    await using endpoint = await openTestEndpoint(answer);
    const subscription = testSubscription({ endpoint: endpoint.url });
    await using target = openTestTarget(subscription);
    const result = await pushTo(target, subscription, [testEvent()], 5_000);
    expect(result).toMatchObject({ endpoint: "answered", outcomes: [{ kind: "acknowledged" }] });
    await closed(endpoint);
  });

  test("a failure whose body does not end or breaks off is still that failure", async () => {
    const start = "HTTP/1.1 409 X\r\ncontent-length: 9\r\nretry-after: 2\r\n\r\nbusy";
    for (const breaks of [false, true]) {
      await using endpoint = await openTestEndpoint((socket) => {
        socket.write(start, () => breaks && setTimeout(() => socket.destroy(), 20));
      });
      const { outcomes } = await push(endpoint, { timeoutMs: breaks ? 10_000 : 1_000 });
      expect(outcomes).toMatchObject([{ kind: "retry", status: 409, answer: "busy", retryAfterMs: 2_000 }]);
      await closed(endpoint);
    }
  });

  test("2xx after 2xx whose bodies never end keep no connection for long: the next push finds one", async () => {
    await using endpoint = await openTestEndpoint((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    });
    const subscription = testSubscription({ endpoint: endpoint.url, concurrency: 1 });
    await using target = openTestTarget(subscription);
    for (let time = 0; time < 3; time++) {
      expect(kinds(await pushTo(target, subscription, [testEvent()], 60_000))).toEqual(["acknowledged"]);
    }
  });

  test("what it says can be stored, whatever it is", async () => {
    await using endpoint = await answering(http(400, {}, "a\u0000b"));
    expect((await push(endpoint)).outcomes).toMatchObject([{ answer: "a\ufffdb" }]);
    const event = testEvent();
    const results = { batchItemFailures: [{ itemIdentifier: event.eventId, detail: "\u0000\ud800" }] };
    await using batching = await answering(
      http(200, { "content-type": "application/json" }, JSON.stringify(results)),
    );
    const answer = await push(batching, { events: [event], subscription: { mode: ContentMode.BATCH } });
    expect(answer.outcomes).toMatchObject([{ kind: "retry", answer: "\ufffd\ufffd" }]);
  });

  test("speaks no TLS: certainly not seen", async () => {
    await using endpoint = await openTestEndpoint(
      () => undefined,
      (socket) => socket.end("what?\r\n"),
    );
    const answer = await push(endpoint, {
      subscription: { endpoint: endpoint.url.replace("http:", "https:") },
    });
    expect(answer).toMatchObject({
      endpoint: "unreachable",
      outcomes: [{ kind: "away", unreachable: true }],
    });
  });

  test("HTTP/1.0 without a length will do", async () => {
    await using endpoint = await openTestEndpoint(
      (socket) => void socket.end("HTTP/1.0 400 X\r\n\r\nno, thanks"),
    );
    expect((await push(endpoint)).outcomes).toMatchObject([{ kind: "refused", answer: "no, thanks" }]);
    await using taking = await openTestEndpoint((socket) => void socket.end("HTTP/1.0 200 OK\r\n\r\n"));
    expect(kinds(await push(taking))).toEqual(["acknowledged"]);
  });

  test("103 is no answer yet", async () => {
    await using endpoint = await answering(`HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${http(409)}`);
    expect((await push(endpoint)).outcomes).toMatchObject([{ kind: "retry", status: 409 }]);
  });

  test("what is cut off tells nothing of the endpoint", async () => {
    await using endpoint = await answering("");
    const stop = new AbortController();
    const pushing = push(endpoint, { signal: stop.signal, timeoutMs: 60_000 });
    await vi.waitFor(() => expect(endpoint.requests).toHaveLength(1));
    stop.abort();
    expect(await pushing).toMatchObject({
      endpoint: "unsent",
      outcomes: [{ kind: "away", unreachable: false }],
    });
    await closed(endpoint);
    const late = await push(endpoint, { signal: stop.signal });
    expect(late.outcomes).toMatchObject([{ kind: "away", unreachable: true }]);
    expect(endpoint.requests).toHaveLength(1);
  });

  test("hangs for one subscription, and answers another meanwhile, over connections of its own", async () => {
    await using endpoint = await openTestEndpoint((socket, { line }) => {
      if (!line.includes("/hang")) socket.write(http(204));
    });
    const hanging = testSubscription({ name: "hanging", endpoint: `${endpoint.url}/hang`, concurrency: 4 });
    const well = testSubscription({ name: "well", endpoint: `${endpoint.url}/well`, concurrency: 4 });
    await using hangingTarget = openTestTarget(hanging);
    await using wellTarget = openTestTarget(well);
    const stuck = Array.from({ length: 4 }, () => pushTo(hangingTarget, hanging, [testEvent()], 60_000));
    await vi.waitFor(() => expect(endpoint.requests).toHaveLength(4));
    for (let time = 0; time < 20; time++) {
      expect(kinds(await pushTo(wellTarget, well, [testEvent()]))).toEqual(["acknowledged"]);
    }
    await hangingTarget[Symbol.asyncDispose]();
    expect((await Promise.all(stuck)).flatMap(kinds)).toEqual(Array(4).fill("away"));
  });
});
