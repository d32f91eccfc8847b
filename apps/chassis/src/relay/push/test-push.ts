import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, vi } from "vitest";
import { ClassUpstreams } from "../../edge/upstream/class-upstreams.ts";
import { type Subscription, SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import { allAddresses } from "../../wire/http/address-rules.ts";
import { parseSecret } from "../../wire/webhook/webhook-signature.ts";
import type { LogEvent } from "../log/log-event.ts";
import { pushEvents } from "./push-events.ts";
import type { PushAnswer, PushOutcome } from "./push-outcome.ts";
import type { PushSettings } from "./push-plan.ts";
import { type PushTarget, resolveTarget } from "./push-target.ts";
import { openTestEndpoint, type TestEndpoint } from "./test-endpoint.ts";

/** For test purposes. */
export const testSecret = parseSecret(`whsec_${Buffer.alloc(32, 7).toString("base64")}`);

export const testSettings: PushSettings = {
  domainName: "shop",
  secrets: [testSecret],
  registry: systemRegistry,
  relayUrl: undefined,
};

export function testSubscription(init: MessageInitShape<typeof SubscriptionSchema> = {}): Subscription {
  return create(SubscriptionSchema, { name: "billing", ...init });
}

/** Test endpoints are on this machine. */
export const anywhere = { rules: allAddresses };

let seq = 0n;

/** An event as the log may have it. */
export function testEvent(init: Partial<LogEvent> = {}): LogEvent {
  seq += 1n;
  return {
    seq,
    epoch: 1,
    source: "main",
    eventId: randomUUID(),
    type: "shop.v1.OrderPlaced",
    key: `order-${seq}`,
    payload: '{"orderId": "o1", "quantity": 3}',
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
    committedAt: new Date(1_700_000_000_000),
    position: undefined,
    ...init,
  };
}

interface TestAttempt {
  readonly events?: readonly LogEvent[];
  readonly subscription?: Partial<Pick<Subscription, "endpoint" | "mode" | "order" | "replies">>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The target of a stranger's subscription. */
export function openTestTarget(subscription: Subscription): PushTarget {
  const upstreams = new ClassUpstreams({ crud: [], micro: [], nano: [], lambda: [] });
  return resolveTarget(subscription, upstreams, anywhere);
}

/** Pushes once to an endpoint, by a target that lasts no longer. */
export async function push(endpoint: TestEndpoint, attempt: TestAttempt = {}): Promise<PushAnswer> {
  const { events = [testEvent()], timeoutMs, signal } = attempt;
  const subscription = testSubscription({ endpoint: `${endpoint.url}/hook`, ...attempt.subscription });
  await using target = openTestTarget(subscription);
  return await pushTo(target, subscription, events, timeoutMs, signal);
}

/** Pushes each event as the first attempt at it. */
export function pushTo(
  target: PushTarget,
  subscription: Subscription,
  events: readonly LogEvent[],
  timeoutMs = 2_000,
  signal?: AbortSignal,
): Promise<PushAnswer> {
  const pushed = events.map((event) => ({ event, attempt: 1 }));
  return pushEvents(target, testSettings, { subscription, events: pushed, timeoutMs }, signal);
}

/** An endpoint that answers every push with the same text. */
export function answering(text: string): Promise<TestEndpoint> {
  return openTestEndpoint((socket) => void socket.write(text));
}

export function kinds(answer: PushAnswer): PushOutcome["kind"][] {
  return answer.outcomes.map((outcome) => outcome.kind);
}

/** Waits until an endpoint has no connection any more. */
export async function closed(endpoint: TestEndpoint): Promise<void> {
  await vi.waitFor(() => expect(endpoint.open).toBe(0), { timeout: 4_000 });
}
