import { type DescMessage, getOption, type Registry } from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import type { Saga, SagaStepDefinition } from "./saga.ts";
import { eventsOf, startStage } from "./saga-stages.ts";

const namePattern = /^[a-z][a-z0-9_]{0,40}$/;
/** Dates cannot tell later times, and no human waits so long. */
const longestTimeoutMs = 366 * 86_400_000;

/**
 * Refuses a saga that could not be undone, would wait for ever, or could not tell its events.
 *
 * @throws QuartetError `invalid_argument` that names the saga and the step, with every fault.
 */
export function checkSaga(saga: Saga, schema: Registry): void {
  const faults = [...findFaults(saga), ...findEventFaults(saga, schema)];
  if (faults.length === 0) return;
  throw new QuartetError("invalid_argument", `Saga "${saga.name}": ${faults.join("; ")}.`, {
    fix: "Give each step its name, run, done, timeoutMs and compensate; and the saga a compensate for its start.",
  });
}

function findFaults({ name, steps, compensate }: Saga): string[] {
  const faults: string[] = [];
  if (!namePattern.test(name)) faults.push("its name is no lower-case letter, then letters, digits and _");
  if (typeof compensate !== "function") faults.push("its start has no compensation");
  if (steps.length === 0) faults.push("it has no steps");
  for (const [index, step] of steps.entries()) {
    faults.push(...findStepFaults(step).map((fault) => `step "${step.name}" ${fault}`));
    if (steps.findIndex((other) => other.name === step.name) < index) faults.push(`two steps "${step.name}"`);
  }
  return faults;
}

/** What types promise, a definition in JavaScript may not keep. */
function findStepFaults(step: Partial<SagaStepDefinition<DescMessage>>): string[] {
  const { name = "", run, done, timeoutMs, compensate } = step;
  const faults: string[] = [];
  if (!namePattern.test(name) || name === startStage) faults.push("has no name that a step may have");
  if (typeof run !== "function") faults.push("has nothing to run");
  if (typeof compensate !== "function") faults.push("has no compensation");
  if (done === undefined) faults.push("has no event that says it is done");
  if (timeoutMs === undefined) faults.push("has no timeout");
  else if (!(timeoutMs > 0 && timeoutMs <= longestTimeoutMs)) faults.push(`has a timeout of ${timeoutMs} ms`);
  return faults;
}

/** An event must tell by its type what it means, and by its key which run it is about. */
function findEventFaults(saga: Saga, schema: Registry): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const [{ typeName }] of eventsOf(saga)) {
    const known = schema.getMessage(typeName);
    if (known === undefined) faults.push(`${typeName} is not in the domain's schema`);
    else if (getOption(known, options.event).key === "") faults.push(`${typeName} declares no key`);
    if (seen.has(typeName)) faults.push(`${typeName} has two meanings`);
    seen.add(typeName);
  }
  return faults;
}
