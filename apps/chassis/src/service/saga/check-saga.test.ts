import { createRegistry } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { SagaRetrySchema } from "../../gen/quartet/v1/saga_pb.ts";
import { NoteSchema, PlainSchema } from "../../pbtable/history/test-history.ts";
import { defineDomain } from "../domain.ts";
import type { Saga } from "./saga.ts";
import { DoneSchema, FailedSchema, StartedSchema, tripFile } from "./test-saga.ts";

const nothing = async () => undefined;
const whole = { name: "go", run: nothing, done: DoneSchema, timeoutMs: 1_000, compensate: nothing };

/** What types forbid, JavaScript does not. */
function define(changes: object, step: object = {}) {
  const trip = { name: "trip", start: StartedSchema, compensate: nothing, steps: [{ ...whole, ...step }] };
  return defineDomain({
    name: "trips",
    schema: createRegistry(tripFile, NoteSchema),
    services: [],
    writes: [],
    sagas: [{ ...trip, ...changes } as Saga],
  });
}

test("a saga becomes two reactions, which take its events and timeouts and run its steps", () => {
  const { reactions, writes } = define({ cancelled: FailedSchema });
  expect([...reactions.keys()]).toEqual(["sagas", "saga_steps"]);
  expect(reactions.get("sagas")?.others).toEqual([SagaRetrySchema, StartedSchema, FailedSchema, DoneSchema]);
  expect([...writes.keys()]).toEqual(["quartet.v1.SagaSignal"]);
});

test.each([
  ["a step without a compensation", {}, { compensate: undefined }, 'step "go" has no compensation'],
  ["a step without a timeout", {}, { timeoutMs: undefined }, 'step "go" has no timeout'],
  ["a timeout of no time", {}, { timeoutMs: 0 }, 'step "go" has a timeout of 0 ms'],
  ["an endless timeout", {}, { timeoutMs: Number.POSITIVE_INFINITY }, "has a timeout of Infinity ms"],
  ["a step that nothing ends", {}, { done: undefined }, 'step "go" has no event that says it is done'],
  ["a step that does nothing", {}, { run: undefined }, 'step "go" has nothing to run'],
  ["a step named as the start is", {}, { name: "start" }, "has no name that a step may have"],
  ["a start that cannot be undone", { compensate: undefined }, {}, "its start has no compensation"],
  ["no steps", { steps: [] }, {}, "it has no steps"],
  ["two steps of one name", { steps: [whole, { ...whole, done: FailedSchema }] }, {}, 'two steps "go"'],
  ["an event with two meanings", {}, { failed: DoneSchema }, "trips.v1.Done has two meanings"],
  ["an event without a key", {}, { done: NoteSchema }, "kept.v1.Note declares no key"],
  ["an event of nobody's", {}, { done: PlainSchema }, "kept.v1.Plain is not in the domain's schema"],
])("%s is refused by name", (_, changes, step, fault) => {
  expect(() => define(changes, step)).toThrow(
    expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining(fault) }),
  );
  expect(() => define(changes, step)).toThrow('Saga "trip": ');
});
