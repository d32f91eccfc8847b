import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type SagaInstance,
  SagaInstanceSchema,
  SagaStatus,
  SagaStepStatus,
} from "../../gen/quartet/v1/saga_pb.ts";
import { LineSchema } from "../../schema/test-schema.ts";
import { saga } from "./saga.ts";
import { type DueRun, SagaCourse } from "./saga-course.ts";

const nothing = async () => undefined;
const step = (name: string) => ({
  name,
  run: nothing,
  compensate: nothing,
  done: LineSchema,
  timeoutMs: 1_000,
});
const trip = saga("trip", { start: LineSchema, compensate: nothing, steps: ["a", "b", "c"].map(step) });
const event = create(AnySchema, { typeUrl: "type.googleapis.com/test.Event" });

interface RunOf {
  readonly step: string;
  readonly run: number;
  readonly backward: boolean;
}

/** What is on its way to the run, in no order. */
type Item =
  | { readonly kind: "due" | "timeout"; readonly of: RunOf }
  | { readonly kind: "decision"; readonly of: RunOf; readonly outcome: string }
  | { readonly kind: "done" | "failed" | "outside"; readonly step: string }
  | { readonly kind: "cancelled" | "retry" };

/** A run, and the world that its steps change: what each has done there and not undone. */
class World {
  readonly instance: SagaInstance = create(SagaInstanceSchema, { saga: "trip", instanceKey: "k" });
  readonly effects = new Set(["start"]);
  readonly accepted: string[] = [];
  readonly pool: Item[] = [];
  #dues: RunOf[] = [];

  constructor() {
    this.#take((course) => course.begin());
  }

  /** @param luck how code ends that is run: 0 well */
  deliver(item: Item, luck: number): void {
    if (item.kind === "due") this.#execute(item.of, luck);
    else if (item.kind === "timeout") this.#take((course) => course.timeout(item.of));
    else if (item.kind === "decision") this.#decide(item.of, item.outcome);
    else if (item.kind === "outside") {
      this.effects.add(item.step);
      this.pool.push({ kind: "done", step: item.step });
    } else if (item.kind === "cancelled") this.#take((course) => course.cancelled(event));
    else if (item.kind === "retry") this.#take((course) => course.retry());
    else if (item.kind === "done") this.#take((course) => course.done(item.step, event));
    else if (item.kind === "failed") this.#take((course) => course.failed(item.step, event));
  }

  /** An operator redrives what the stuck step was to do. */
  redrive(): void {
    const stuck = this.instance.steps.find(({ status }) => status === SagaStepStatus.STUCK);
    const due = this.#dues.findLast((of) => of.step === stuck?.name && of.backward);
    if (due !== undefined) this.#execute(due, 0);
  }

  /** Runs a step's code, which does its work in the world at once; what it decides is on its way. */
  #execute(of: RunOf, luck: number): void {
    const outcome = ["done", "refused", of.backward ? "refused" : "failed", "asked"][luck % 4] ?? "";
    if (of.backward) this.effects.delete(of.step);
    else if (outcome !== "failed" && outcome !== "asked") this.effects.add(of.step);
    this.pool.push({ kind: "decision", of, outcome });
  }

  #decide(of: RunOf, outcome: string): void {
    this.#take((course) => {
      const accepted = course.accepts(of);
      if (accepted && !of.backward) this.accepted.push(of.step);
      if (accepted && !of.backward && (outcome === "done" || outcome === "failed")) {
        this.pool.push({ kind: outcome, step: of.step });
      }
      // Somebody outside does it, at a time of his own.
      if (accepted && !of.backward && outcome === "asked") this.pool.push({ kind: "outside", step: of.step });
      course.decided(of, outcome === "refused" ? "it refused" : undefined);
    });
  }

  #take(act: (course: SagaCourse) => void): void {
    const course = new SagaCourse(trip, this.instance, new Date(0));
    act(course);
    for (const { stage, run, backward } of course.due satisfies readonly DueRun[]) {
      const of = { step: stage.name, run, backward };
      this.#dues.push(of);
      this.pool.push({ kind: "due", of }, { kind: "timeout", of });
    }
  }
}

test("whatever comes, how often and in which order, all is done or all is undone in the end", () => {
  const picks = fc.array(
    fc.record({ pick: fc.nat(), luck: fc.nat(), again: fc.boolean(), stray: fc.nat({ max: 40 }) }),
    { minLength: 8, maxLength: 60 },
  );
  fc.assert(
    fc.property(picks, (sequence) => {
      const world = new World();
      for (const { pick, luck, again, stray } of sequence) {
        if (stray === 0) world.deliver({ kind: "cancelled" }, luck);
        if (stray === 1) world.deliver({ kind: "retry" }, luck);
        const place = pick % Math.max(1, world.pool.length);
        const item = world.pool[place];
        if (item === undefined) break;
        // What a step's code has done elsewhere once more after it was undone nobody can know of.
        const once = item.kind === "outside" || (item.kind === "due" && !item.of.backward);
        const repeated = again && !once;
        if (!repeated) world.pool.splice(place, 1);
        world.deliver(item, luck);
      }
      for (let rounds = 0; rounds < 500; rounds++) {
        const item = sequence.length % 2 === 0 ? world.pool.shift() : world.pool.pop();
        if (item !== undefined) world.deliver(item, 0);
        else if (world.instance.status === SagaStatus.STUCK) world.redrive();
        else break;
      }
      expect(new Set(world.accepted).size).toBe(world.accepted.length);
      expect(world.pool).toEqual([]);
      expect([SagaStatus.COMPLETED, SagaStatus.COMPENSATED]).toContain(world.instance.status);
      const completed = world.instance.status === SagaStatus.COMPLETED;
      expect([...world.effects].sort()).toEqual(completed ? ["a", "b", "c", "start"] : []);
    }),
    { numRuns: 2_000 },
  );
});

const start = () => {
  const instance = create(SagaInstanceSchema, { saga: "trip", instanceKey: "k" });
  const act = (what: (course: SagaCourse) => void): string[] => {
    const course = new SagaCourse(trip, instance, new Date(0));
    what(course);
    return course.due.map(({ stage, run, backward }) => `${backward ? "undo" : "run"} ${stage.name} ${run}`);
  };
  return { instance, act };
};

test("steps run one after the other, and a repeated outcome is nothing", () => {
  const { instance, act } = start();
  expect(act((course) => course.begin())).toEqual(["run a 1"]);
  expect(act((course) => course.done("a", event))).toEqual(["run b 1"]);
  expect(act((course) => course.done("a", event))).toEqual([]);
  expect(act((course) => course.failed("a", event))).toEqual([]);
  expect(act((course) => course.done("b", event))).toEqual(["run c 1"]);
  expect(act((course) => course.done("c", event))).toEqual([]);
  expect(act((course) => course.timeout({ step: "c", run: 1, backward: false }))).toEqual([]);
  expect(act((course) => course.cancelled(event))).toEqual([]);
  expect(instance.status).toBe(SagaStatus.COMPLETED);
});

test("a step that failed is not undone, the ones before it are, the last first", () => {
  const { instance, act } = start();
  act((course) => course.begin());
  act((course) => course.done("a", event));
  expect(act((course) => course.failed("b", event))).toEqual(["undo a 2"]);
  expect(act((course) => course.decided({ step: "a", run: 2, backward: true }, undefined))).toEqual([
    "undo start 1",
  ]);
  act((course) => course.decided({ step: "start", run: 1, backward: true }, undefined));
  expect(instance).toMatchObject({ status: SagaStatus.COMPENSATED, failedStep: "b", reason: "test.Event" });
});

test("a late answer undoes the step once more, however often it comes", () => {
  const { instance, act } = start();
  act((course) => course.begin());
  expect(act((course) => course.timeout({ step: "a", run: 1, backward: false }))).toEqual(["undo a 2"]);
  expect(act((course) => course.done("a", event))).toEqual(["undo a 3"]);
  expect(act((course) => course.done("a", event))).toEqual([]);
  // The undoing that began before the answer may not have seen what was done.
  expect(act((course) => course.decided({ step: "a", run: 2, backward: true }, undefined))).toEqual([]);
  expect(act((course) => course.decided({ step: "a", run: 3, backward: true }, undefined))).toEqual([
    "undo start 1",
  ]);
  act((course) => course.decided({ step: "start", run: 1, backward: true }, undefined));
  expect(instance.status).toBe(SagaStatus.COMPENSATED);
  expect(act((course) => course.decided({ step: "a", run: 1, backward: false }, undefined))).toEqual([
    "undo a 4",
  ]);
  expect(instance.status).toBe(SagaStatus.COMPENSATING);
});

test("a compensation that fails is tried five times, then the run is stuck until it succeeds", () => {
  const { instance, act } = start();
  act((course) => course.begin());
  act((course) => course.failed("a", event));
  for (let run = 1; run <= 5; run++) {
    const of = { step: "start", run, backward: true };
    expect(act((course) => course.decided(of, "no stock"))).toEqual([]);
    expect(act((course) => course.timeout(of))).toEqual(run < 5 ? [`undo start ${run + 1}`] : []);
  }
  expect(instance).toMatchObject({ status: SagaStatus.STUCK, lastError: "start: no stock" });
  expect(instance.steps[0]?.status).toBe(SagaStepStatus.STUCK);
  act((course) => course.decided({ step: "start", run: 3, backward: true }, undefined));
  expect(instance.status).toBe(SagaStatus.COMPENSATED);
});

test("steps of a newer build are left to it, those that an older build did not know are run", () => {
  const { instance, act } = start();
  act((course) => course.begin());
  instance.steps.splice(2);
  act((course) => course.done("a", event));
  expect(instance.steps.map(({ name }) => name)).toEqual(["start", "a", "b", "c"]);
  const shorter = saga("trip", { start: LineSchema, compensate: nothing, steps: ["a", "b"].map(step) });
  expect(() => new SagaCourse(shorter, instance, new Date(0))).toThrow("has no step c");
});
