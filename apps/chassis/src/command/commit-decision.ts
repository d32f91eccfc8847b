import { setTimeout as sleep } from "node:timers/promises";
import { QuartetError } from "../error/quartet-error.ts";
import type { ReadPrecondition } from "../gen/quartet/v1/intent_pb.ts";
import type { Decision } from "../service/decision.ts";
import { nameOfRow } from "./check-preconditions.ts";
import { type Commit, type CommitResult, commitIntent } from "./commit-intent.ts";
import type { Runtime } from "./runtime.ts";
import { type Turn, Turns } from "./turns.ts";

/** Decisions about one request or event before it is given up. */
export const maxAttempts = 5;

/** Before the second attempt, on average half of this; then that much more each time. Processes must not stay in step. */
const jitterMs = 10;

const turnsOf = new WeakMap<Runtime, Turns>();

/**
 * Decides on the primary and commits, in the crud class. While what a decision rests on has changed before it could be
 * written, it is made again, {@link maxAttempts} times at most. Those of this process whom the same row defeated go one
 * after the other, so that each of them sees what the one before has written.
 *
 * @param before what undid the decision before the first one here, if there was one
 * @returns `conflict` when the last decision did not hold either; nothing was done then.
 * @throws QuartetError what the handler or a write threw; `deadline_exceeded`.
 */
export async function commitDecision(
  runtime: Runtime,
  signal: AbortSignal,
  decide: () => Promise<Decision>,
  commitOf: (decision: Decision) => Commit,
  before?: ReadPrecondition,
): Promise<CommitResult> {
  const turns = turnsOf.get(runtime) ?? new Turns();
  turnsOf.set(runtime, turns);
  let turn = before && (await turns.take(nameOfRow(before), signal));
  try {
    for (let attempt = 1; ; attempt++) {
      const result = await commitIntent(runtime, commitOf(await decide()));
      if (result.kind !== "conflict" || attempt === maxAttempts) return result;
      const name = nameOfRow(result.conflict);
      if (turn?.name === name) await sleep(Math.random() * jitterMs * attempt);
      else turn = await changeTurn(turns, turn, name, signal);
    }
  } finally {
    turn?.[Symbol.dispose]();
  }
}

/** Never two turns at once: nobody waits in a circle. */
function changeTurn(turns: Turns, from: Turn | undefined, to: string, signal: AbortSignal): Promise<Turn> {
  from?.[Symbol.dispose]();
  return turns.take(to, signal);
}

/** How a command ends whose decisions never held. */
export function keptChanging({ table, key }: ReadPrecondition): QuartetError {
  return new QuartetError("aborted", `${table} ${key} changed each time before the decision was written.`, {
    fix: "Try again, with a new Idempotency-Key if this one has an operation that ended.",
  });
}
