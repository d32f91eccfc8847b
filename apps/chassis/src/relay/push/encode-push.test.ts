import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Problem, ProblemSchema } from "../../gen/quartet/v1/problem_pb.ts";
import { EventDataFormat } from "../../gen/quartet/v1/subscription_pb.ts";
import {
  type CloudEvent,
  decodeCloudEvents,
  encodeBatch,
  encodeBinary,
  encodeStructured,
} from "../../wire/cloud-event/cloud-event.ts";
import { verifyWebhook } from "../../wire/webhook/webhook-signature.ts";
import type { LogEvent } from "../log/log-event.ts";
import { parseDataRefToken, verifyDataRef } from "./data-ref.ts";
import { encodePush, type PushedEvent } from "./encode-push.ts";
import { planPushes } from "./push-plan.ts";
import type { PushMode } from "./push-target.ts";
import { activeSecrets } from "./subscription-secrets.ts";
import { testEvent, testSecret, testSettings, testSubscription } from "./test-push.ts";

type Options = {
  readonly mode: PushMode;
  readonly own?: boolean;
  readonly subscription?: ReturnType<typeof testSubscription>;
  readonly relayUrl?: string;
};

function planOf({ mode, own = false, subscription = testSubscription(), relayUrl }: Options) {
  const target = { own, mode, path: "/hook", next: () => undefined, [Symbol.asyncDispose]: async () => {} };
  return planPushes(target, { ...testSettings, relayUrl }, subscription, Date.now());
}

function encode(options: Options, ...events: readonly [LogEvent, ...LogEvent[]]) {
  const [first, ...others] = events.map((event, index): PushedEvent => ({ event, attempt: index + 1 }));
  if (first === undefined) throw new Error("no event");
  const plan = planOf(options);
  const request = encodePush(plan, [first, ...others], 5_000);
  const headers: Record<string, string> = {};
  for (let at = 0; at < request.headers.length; at += 2) {
    headers[String(request.headers[at])] = String(request.headers[at + 1]);
  }
  const body = request.body ?? Buffer.alloc(0);
  verifyWebhook(plan.secrets, headers, body, Date.now() / 1000);
  return { headers, body, events: decodeCloudEvents(headers, body) };
}

const one = (options: Options, event: LogEvent): CloudEvent => {
  const [decoded, ...more] = encode(options, event).events;
  if (decoded === undefined || more.length > 0) throw new Error("not one event");
  return decoded;
};

/** The event as the checking encoders of the wire are given it. */
function expected(event: LogEvent, attempt?: number): CloudEvent {
  const optional = {
    quartetposition: event.position,
    traceparent: event.traceparent,
    correlationid: event.correlationId,
    causationid: event.causationId,
    partitionkey: event.key === "" ? undefined : event.key,
    quartetattempt: attempt === undefined ? undefined : String(attempt),
  };
  const given = Object.entries(optional).filter((entry) => entry[1] !== undefined);
  return {
    id: event.eventId,
    source: `/quartet/shop/${event.source}`,
    type: event.type,
    ...(event.key === "" ? {} : { subject: event.key }),
    time: event.committedAt.toISOString(),
    dataContentType: "application/json",
    extensions: {
      sequence: event.seq.toString().padStart(19, "0"),
      quartetepoch: event.epoch.toString().padStart(10, "0"),
      quartetsubscription: "billing",
      ...(Object.fromEntries(given) as Record<string, string>),
    },
    data: Buffer.from(event.payload),
  };
}

const same = (left: readonly CloudEvent[], right: readonly CloudEvent[]) => {
  const plain = (event: CloudEvent) => ({ ...event, extensions: { ...event.extensions } });
  const text = (event: CloudEvent) => Buffer.from(event.data ?? []).toString();
  expect(left.map(plain).map((event) => ({ ...event, data: text(event) }))).toEqual(
    right.map(plain).map((event) => ({ ...event, data: text(event) })),
  );
};

const printable = fc.stringMatching(/^[ -~äß€😀]{1,30}$/u);
const anEvent: fc.Arbitrary<LogEvent> = fc
  .record({
    seq: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
    epoch: fc.nat(),
    eventId: fc.uuid(),
    type: printable,
    key: fc.oneof(fc.constant(""), printable),
    payload: fc.json(),
    position: fc.option(printable, { nil: undefined }),
    traceparent: fc.option(printable, { nil: undefined }),
    correlationId: fc.option(printable, { nil: undefined }),
    causationId: fc.option(printable, { nil: undefined }),
    committedAt: fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true }),
  })
  .map(testEvent);

describe("the same as the checking encoders of the wire", () => {
  test("in binary mode", () => {
    fc.assert(
      fc.property(anEvent, (event) => {
        const encoded = encode({ mode: "binary" }, event);
        const reference = encodeBinary(expected(event));
        same(encoded.events, decodeCloudEvents(reference.headers, reference.body));
        expect(encoded.headers).toMatchObject(reference.headers);
        expect(encoded.body.equals(reference.body)).toBe(true);
      }),
    );
  });

  test("in structured mode", () => {
    fc.assert(
      fc.property(anEvent, (event) => {
        const encoded = encode({ mode: "structured" }, event);
        const reference = encodeStructured(expected(event, 1));
        same(encoded.events, decodeCloudEvents(reference.headers, reference.body));
        expect(encoded.headers).toMatchObject(reference.headers);
        expect(JSON.parse(encoded.body.toString())).toEqual(
          JSON.parse(Buffer.from(reference.body).toString()),
        );
      }),
    );
  });

  test("in a batch", () => {
    fc.assert(
      fc.property(anEvent, fc.array(anEvent, { maxLength: 4 }), (first, others) => {
        const encoded = encode({ mode: "batch" }, first, ...others);
        const reference = encodeBatch([first, ...others].map((event, index) => expected(event, index + 1)));
        same(encoded.events, decodeCloudEvents(reference.headers, reference.body));
        expect(encoded.headers).toMatchObject(reference.headers);
        expect(encoded.headers["webhook-id"]).toBe(`${first.eventId}+${others.length}`);
      }),
    );
  });
});

test("a payload is pushed as the text it is", () => {
  const payload = '{"big": 12345678901234567890, "a": 1, "text": "\\u00e9"}';
  for (const mode of ["binary", "structured", "batch"] as const) {
    expect(Buffer.from(one({ mode }, testEvent({ payload })).data ?? []).toString()).toBe(payload);
  }
});

test("a key may be any text, and no odd trace keeps an event: what no CloudEvent can hold is percent-encoded", () => {
  const event = testEvent({ key: "a\u0000b\n\ufffe€\ud800", traceparent: "\u0007" });
  for (const mode of ["binary", "structured", "batch"] as const) {
    const { extensions } = one({ mode }, event);
    expect(extensions).toMatchObject({ partitionkey: "a%00b%0A%EF%BF%BE€%EF%BF%BD", traceparent: "%07" });
  }
});

test.each([
  ["type", { type: "a\nb" }],
  ["type", { type: "" }],
  ["id", { eventId: "a\u0000" }],
])("an event with a bad %s cannot be encoded", (field, init) => {
  for (const mode of ["binary", "structured", "batch"] as const) {
    expect(() => encode({ mode }, testEvent(init))).toThrow(
      expect.objectContaining({ code: "invalid_argument", field }),
    );
  }
});

test("the attempt is signed with the event in JSON modes, and a header where one event goes", () => {
  expect(one({ mode: "structured" }, testEvent()).extensions["quartetattempt"]).toBe("1");
  expect(
    encode({ mode: "batch" }, testEvent(), testEvent()).events.map(
      (event) => event.extensions["quartetattempt"],
    ),
  ).toEqual(["1", "2"]);
  expect(encode({ mode: "binary" }, testEvent()).headers["quartet-attempt"]).toBe("1");
});

test("a replay goes under the name of what it replays, and says that it is one", () => {
  const subscription = testSubscription({ name: "billing~1", replayOf: "billing" });
  const { extensions } = one({ mode: "binary", subscription }, testEvent());
  expect(extensions).toMatchObject({ quartetsubscription: "billing", quartetreplay: "1" });
});

test("a subscription with replies prefers them; a class of ours is told what time is left", () => {
  const subscription = testSubscription({ replies: true });
  expect(encode({ mode: "binary", subscription }, testEvent()).headers["prefer"]).toBe("reply");
  const { headers } = encode({ mode: "structured", own: true }, testEvent());
  expect(headers).toMatchObject({ "connect-timeout-ms": "5000" });
  expect(headers).not.toHaveProperty("prefer");
});

test("a class of ours is signed to with the deployment's secret, a stranger with one of its own", () => {
  const now = Date.now() / 1000;
  const own = encode({ mode: "structured", own: true }, testEvent());
  verifyWebhook([testSecret], own.headers, own.body, now);
  const strange = encode({ mode: "structured" }, testEvent());
  expect(() => verifyWebhook([testSecret], strange.headers, strange.body, now)).toThrow();
});

test("a secret that expires while the relay runs stops signing", () => {
  const target = { own: false, mode: "batch", path: "/", next: () => undefined } as const;
  const disposable = { ...target, [Symbol.asyncDispose]: async () => {} };
  const subscription = testSubscription({
    secretSeeds: [{ seed: "new" }, { seed: "old", expireTime: { seconds: 10n } }],
  });
  const plan = (nowMs: number) => planPushes(disposable, testSettings, subscription, nowMs);
  expect(plan(9_999).secrets).toHaveLength(2);
  expect(plan(9_999)).toBe(plan(5_000));
  expect(plan(10_000).secrets).toHaveLength(1);
});

describe("data in the protobuf wire format", () => {
  const problem: Problem = create(ProblemSchema, { code: "x", status: 409, detail: "y".repeat(50) });
  const subscription = testSubscription({ dataFormat: EventDataFormat.PROTOBUF });
  const event = testEvent({ type: ProblemSchema.typeName, payload: toJsonString(ProblemSchema, problem) });

  test.each(["binary", "structured", "batch"] as const)("goes as bytes in %s mode", (mode) => {
    const decoded = one({ mode, subscription }, event);
    expect(decoded.dataContentType).toBe("application/protobuf");
    expect(Buffer.from(decoded.data ?? []).equals(toBinary(ProblemSchema, problem))).toBe(true);
  });

  test.each([
    ["of a type that this build does not know", testEvent({ type: "shop.v9.New" })],
    ["with a field that this build does not know", { ...event, payload: '{"code": "x", "newField": 1}' }],
  ])("data %s goes as JSON", (_, unknown) => {
    const decoded = one({ mode: "binary", subscription }, unknown);
    expect(decoded.dataContentType).toBe("application/json");
    expect(Buffer.from(decoded.data ?? []).toString()).toBe(unknown.payload);
  });
});

describe("data over the limit", () => {
  const subscription = testSubscription({ maxDataBytes: 100 });
  const relayUrl = "http://relay:7000";
  const big = testEvent({ payload: JSON.stringify("ü".repeat(50)) });

  test.each(["binary", "structured", "batch"] as const)("goes by reference in %s mode", (mode) => {
    const { data, extensions, dataContentType } = one({ mode, subscription, relayUrl }, big);
    expect([data, dataContentType]).toEqual([undefined, "application/json"]);
    const url = new URL(extensions["dataref"] ?? "");
    expect(`${url.origin}${url.pathname}`).toBe(`${relayUrl}/_quartet/events/${big.seq}`);
    const token = parseDataRefToken(big.seq, url.searchParams.get("token") ?? "");
    if (token === undefined) throw new Error("no token");
    expect(token).toMatchObject({ subscription: "billing", seq: big.seq });
    const { secrets } = activeSecrets([testSecret], subscription, Date.now());
    verifyDataRef(secrets, token, Date.now() / 1000);
  });

  test("bytes count, not characters; up to the limit it goes whole", () => {
    const fits = testEvent({ payload: JSON.stringify("ü".repeat(49)) });
    expect(one({ mode: "binary", subscription, relayUrl }, fits).data).toHaveLength(100);
  });

  test("goes whole by a relay that has no URL", () => {
    expect(one({ mode: "binary", subscription }, big).data).toHaveLength(102);
  });

  test("the limit is 1 MiB to strangers and 4 MiB to classes of ours", () => {
    const megabytes = (size: number) => testEvent({ payload: JSON.stringify("x".repeat(size * 1_048_576)) });
    const isWhole = (own: boolean, size: number) => {
      return one({ mode: "structured", own, relayUrl }, megabytes(size)).data !== undefined;
    };
    expect([isWhole(false, 0.9), isWhole(false, 1.1)]).toEqual([true, false]);
    expect([isWhole(true, 3.9), isWhole(true, 4.1)]).toEqual([true, false]);
  });
});
