import { create, type JsonValue } from "@bufbuild/protobuf";
import { anyPack, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test, vi } from "vitest";
import { OperationEndedSchema } from "../../gen/quartet/v1/callback_pb.ts";
import { OperationRecordSchema, OperationState } from "../../gen/quartet/v1/operation_pb.ts";
import { ProblemSchema } from "../../gen/quartet/v1/problem_pb.ts";
import { encodeJson } from "../../schema/json/json.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import { publicAddresses } from "../../wire/http/address-rules.ts";
import { verifyWebhook } from "../../wire/webhook/webhook-signature.ts";
import type { LogEvent } from "../log/log-event.ts";
import { http, openTestEndpoint, type TestEndpoint } from "../push/test-endpoint.ts";
import {
  answering,
  anywhere,
  testEvent,
  testSecret,
  testSettings,
  testSubscription,
} from "../push/test-push.ts";
import { callbackSecrets } from "./callback-secrets.ts";
import { CallbackTarget } from "./callback-target.ts";
import { mostOfPrincipal } from "./principal-shares.ts";

const subscription = testSubscription({ name: "callbacks", endpoint: "callback:" });

function ended(
  callbackUrl: string,
  state: OperationState = OperationState.COMMITTED,
  principal = "whose",
): LogEvent {
  const problem = create(ProblemSchema, { code: "failed_precondition", detail: "sold out" });
  const record = create(OperationRecordSchema, {
    operationId: "ab12",
    method: "shop.v1.Orders/PlaceOrder",
    principal,
    fingerprint: "of what",
    state,
    acceptTime: timestampFromMs(1_700_000_000_000),
    callbackUrl,
    ...(state === OperationState.FAILED
      ? { problem }
      : { response: anyPack(ProblemSchema, create(ProblemSchema, { detail: "the answer" })) }),
  });
  const payload = JSON.stringify(
    encodeJson(OperationEndedSchema, create(OperationEndedSchema, { callbackUrl, record }), systemRegistry),
  );
  return testEvent({ type: "quartet.v1.OperationEnded", key: "ab12", payload });
}

function pushCallback(target: CallbackTarget, event: LogEvent, timeoutMs = 2_000) {
  const push = { subscription, events: [{ event, attempt: 1 }], timeoutMs };
  return target.push(testSettings, push, undefined);
}

function bodyOf(endpoint: TestEndpoint): JsonValue {
  return JSON.parse(String(endpoint.requests[0]?.body)) as JsonValue;
}

describe("a callback", () => {
  test("is the operation as clients see it, at the URL that its client gave, signed for its origin", async () => {
    await using endpoint = await answering(http(204));
    await using target = new CallbackTarget(systemRegistry, anywhere);
    const event = ended(`${endpoint.url}/done?of=me`);
    expect(await pushCallback(target, event)).toMatchObject({ outcomes: [{ kind: "acknowledged" }] });
    const [request] = endpoint.requests;
    if (request === undefined) throw new Error("no request");
    expect(request.line).toBe("POST /done?of=me HTTP/1.1");
    expect(request.headers).toMatchObject({ "ce-type": "quartet.v1.OperationEnded", "ce-subject": "ab12" });
    expect(bodyOf(endpoint)).toMatchObject({
      name: "operations/ab12",
      done: true,
      response: { "@type": "type.googleapis.com/quartet.v1.Problem", detail: "the answer" },
      metadata: { method: "shop.v1.Orders/PlaceOrder" },
    });
    // Neither who asked nor where the answer goes is anybody's affair.
    for (const hidden of ["whose", "of what", "/done"]) expect(String(request.body)).not.toContain(hidden);
    const verify = (origin: string) =>
      verifyWebhook(callbackSecrets([testSecret], origin), request.headers, request.body, Date.now() / 1000);
    expect(() => verify(endpoint.url)).not.toThrow();
    expect(() => verify("http://other.example")).toThrow();
  });

  test("of a failed operation has its problem", async () => {
    await using endpoint = await answering(http(200));
    await using target = new CallbackTarget(systemRegistry, anywhere);
    await pushCallback(target, ended(endpoint.url, OperationState.FAILED));
    expect(bodyOf(endpoint)).toMatchObject({ done: true, error: { code: 9, message: "sold out" } });
  });

  test.each([
    [500, "retry"],
    [503, "retry"],
    [429, "retry"],
    [401, "refused"],
    [302, "refused"],
    [410, "refused"],
  ])("that is answered with %s is %s, and the others hear nothing of it", async (status, kind) => {
    await using endpoint = await answering(http(status));
    await using target = new CallbackTarget(systemRegistry, anywhere);
    const answer = await pushCallback(target, ended(endpoint.url));
    expect(answer).toMatchObject({ outcomes: [{ kind, status }], endpoint: "answered" });
  });

  test("to an address that is not public is not made, whatever accepted it", async () => {
    await using endpoint = await answering(http(204));
    await using target = new CallbackTarget(systemRegistry, { rules: publicAddresses });
    const { outcomes } = await pushCallback(target, ended(endpoint.url));
    expect(outcomes).toMatchObject([{ kind: "retry", answer: expect.stringContaining("loopback") }]);
    expect(endpoint.accepted).toBe(0);
  });

  test.each(["{}", '{"callbackUrl":"ftp://x","record":{}}', "nonsense", "[]"])(
    "that cannot be read is a dead letter at once: %s",
    async (payload) => {
      await using target = new CallbackTarget(systemRegistry, anywhere);
      const answer = await pushCallback(target, testEvent({ payload }));
      expect(answer).toMatchObject({ outcomes: [{ kind: "refused" }], endpoint: "answered" });
    },
  );
});

test("a host that hangs has its share, spends no attempt for what waits for it, and others are called at once", async () => {
  await using hanging = await openTestEndpoint(() => undefined);
  await using well = await answering(http(204));
  await using target = new CallbackTarget(systemRegistry, anywhere);
  const many = Array.from({ length: 20 }, () => pushCallback(target, ended(hanging.url), 60_000));
  await vi.waitFor(() => expect(hanging.requests).toHaveLength(8));
  const held = await Promise.all(many.slice(8));
  for (const answer of held) {
    expect(answer).toMatchObject({ outcomes: [{ kind: "retry", untried: true }], endpoint: "answered" });
  }
  expect(await pushCallback(target, ended(well.url))).toMatchObject({ outcomes: [{ kind: "acknowledged" }] });
  await target[Symbol.asyncDispose]();
  // Cut off by us: nothing is known of them.
  const cut = await Promise.all(many.slice(0, 8));
  expect(new Set(cut.map(({ endpoint }) => endpoint))).toEqual(new Set(["unsent"]));
});

test("a principal whose every callback names another host that hangs leaves most places to others", async () => {
  await using stack = new AsyncDisposableStack();
  const hosts: TestEndpoint[] = [];
  for (let index = 0; index < mostOfPrincipal + 4; index++)
    hosts.push(stack.use(await openTestEndpoint(() => undefined)));
  await using well = await answering(http(204));
  await using target = new CallbackTarget(systemRegistry, anywhere);
  const push = (url: string, principal: string) =>
    pushCallback(target, ended(url, OperationState.COMMITTED, principal), 60_000);
  const many = hosts.map(({ url }) => push(url, "hostile"));
  for (const answer of await Promise.all(many.slice(mostOfPrincipal))) {
    expect(answer).toMatchObject({ outcomes: [{ kind: "retry", untried: true }], endpoint: "answered" });
  }
  await vi.waitFor(() =>
    expect(hosts.filter(({ requests }) => requests.length > 0)).toHaveLength(mostOfPrincipal),
  );
  expect(await push(well.url, "honest")).toMatchObject({ outcomes: [{ kind: "acknowledged" }] });
  await target[Symbol.asyncDispose]();
  await Promise.all(many);
});

test("a host that answers nothing is not tried again for a while, and that counts as attempts", async () => {
  await using gone = await openTestEndpoint((socket) => socket.destroy());
  await using target = new CallbackTarget(systemRegistry, anywhere);
  for (let index = 0; index < 5; index++) {
    expect(await pushCallback(target, ended(gone.url))).toMatchObject({ outcomes: [{ kind: "retry" }] });
  }
  const { length } = gone.requests;
  const { outcomes } = await pushCallback(target, ended(gone.url));
  expect(outcomes).toMatchObject([{ kind: "retry", answer: expect.stringContaining("not sent") }]);
  expect(outcomes[0]).not.toHaveProperty("untried");
  expect(gone.requests).toHaveLength(length);
});
