import { QuartetError } from "../error/quartet-error.ts";
import { type Position, parsePosition } from "../position/position.ts";
import type { ReplayWatcher } from "../position/replay-watcher.ts";
import type { Answer } from "./answer.ts";
import type { CallScope } from "./handler-context.ts";
import { translateHandlerError } from "./translate-handler-error.ts";

/** What a query or a compute gave. */
export interface ReadOutcome {
  readonly answer: Answer;
  /** Where the database was that answered; for those who asked for a position. */
  readonly position: string | undefined;
}

/** Longest wait for a replica to reach the position a client asks for; then the gateway asks another process. */
const catchUpMs = 250;
const maxRuns = 3;

/** The database that is read. */
export interface ReadPlace {
  readonly replay: ReplayWatcher;
  /** It is the primary of this moment: there is nothing to wait for, and no position it could be behind. */
  readonly isPrimary: boolean;
}

/**
 * Waits until the database is at or past a position, if one is asked for, and not on its way through its own past.
 *
 * @param position as the client sent it
 * @throws QuartetError `stale`, `invalid_argument`
 */
export async function reachPosition(
  { replay, isPrimary }: ReadPlace,
  position: Position | string | undefined,
  scope: Pick<CallScope, "deadlineMs" | "signal">,
): Promise<void> {
  const asked = typeof position === "string" ? parsePosition(position) : position;
  await replay.settle();
  if (asked === undefined || isPrimary) return;
  const limitMs = Math.max(0, Math.min(catchUpMs, scope.deadlineMs - Date.now()));
  await replay.wait(asked, limitMs, scope.signal);
}

/**
 * Reads at or past a position, and tells where: whoever reads at or past that, on whatever replica, sees nothing older.
 * So the place is looked up after the read: one from before it may be passed by what was read.
 *
 * A replica that loses connections meanwhile may have come back at an earlier place: then all is done again.
 *
 * @param read has no effects
 * @throws QuartetError `stale` when the replica does not get there in time; what `read` throws, with the place where it was
 * found, when it is an answer too, such as `not_found`.
 */
export async function readAtPosition(
  place: ReadPlace,
  position: Position,
  scope: Pick<CallScope, "deadlineMs" | "signal">,
  read: () => Promise<Answer>,
): Promise<ReadOutcome> {
  const { replay } = place;
  for (let run = 1; run <= maxRuns; run++) {
    const { runs } = replay;
    await reachPosition(place, position, scope);
    const found = await read().catch(toFinding);
    const readAt = await replay.locate();
    if (!place.isPrimary && replay.runs !== runs) continue;
    if (found instanceof QuartetError) throw found.at(readAt);
    return { answer: found, position: readAt };
  }
  throw new QuartetError("stale", "The replica loses its connections again and again.", {
    retryAfterSeconds: 1,
  });
}

/** What the handler found out by reading, which is no fault. Anything else is thrown on. */
function toFinding(thrown: unknown): QuartetError {
  const error = translateHandlerError(thrown);
  if (error instanceof QuartetError && !error.retry) return error;
  throw error;
}
