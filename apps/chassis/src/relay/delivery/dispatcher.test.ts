import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import type { PushAnswer } from "../push/push-outcome.ts";
import { testEvent } from "../subscription/test-log.ts";
import { planDelivery } from "./delivery-plan.ts";
import { createDeliveryState, type DeliveryState } from "./delivery-state.ts";
import { Dispatcher, type PushUnderWay } from "./dispatcher.ts";
import type { PendingEvent } from "./pending-event.ts";

const concurrency = 8;
const answered = {
  outcomes: [{ kind: "acknowledged" }],
  replies: [],
  endpoint: "answered",
  durationMs: 1,
  destination: "",
  status: 204,
} as const satisfies PushAnswer;
const silent: PushAnswer = { ...answered, outcomes: [], endpoint: "overloaded", status: 0 };

function pendingOf(laneId: string): PendingEvent {
  const rest = { lane: undefined, next: undefined, parked: undefined, slot: undefined, alone: false };
  return { event: testEvent({ key: laneId }), bytes: 10, laneId, ...rest };
}

function openDispatcher(fresh: number, retries: number): [DeliveryState, Dispatcher] {
  const state = createDeliveryState(planDelivery(create(SubscriptionSchema, { name: "s", concurrency })), 0n);
  for (let n = 0; n < fresh; n++) state.fresh.add(pendingOf(`fresh-${n}`));
  for (let n = 0; n < retries; n++) state.retries.add(pendingOf(`retry-${n}`));
  return [state, new Dispatcher(state, false, 0)];
}

function beginAll(dispatcher: Dispatcher): PushUnderWay[] {
  const pushes: PushUnderWay[] = [];
  for (let push = dispatcher.next(0); push !== undefined; push = dispatcher.next(0)) pushes.push(push);
  return pushes;
}

const retriesOf = (state: DeliveryState, pushes: readonly PushUnderWay[]) =>
  pushes.filter(({ lanes }) => lanes === state.retries).length;

test("retries have half of the pushes while other events wait, and leave one free while none does", () => {
  const [state, busy] = openDispatcher(100, 100);
  expect(retriesOf(state, beginAll(busy))).toBe(concurrency / 2);
  const [, idle] = openDispatcher(0, 100);
  expect(beginAll(idle)).toHaveLength(concurrency - 1);
});

test("an event without an answer is to blame when others were answered meanwhile, and no other slows down", () => {
  const [, dispatcher] = openDispatcher(100, 0);
  const [hanging, ...others] = beginAll(dispatcher);
  if (hanging === undefined) return;
  for (const push of others) expect(dispatcher.ended(push, answered, 1)).toBe(false);
  expect(dispatcher.ended(hanging, silent, 2)).toBe(true);
  expect(beginAll(dispatcher)).toHaveLength(concurrency);
});

test("when all are without an answer the endpoint is to blame, and fewer go", () => {
  const [, dispatcher] = openDispatcher(100, 0);
  for (const push of beginAll(dispatcher)) expect(dispatcher.ended(push, silent, 1)).toBe(false);
  expect(beginAll(dispatcher)).toEqual([]);
  expect(dispatcher.wakeAtMs).toBeGreaterThan(1);
});
