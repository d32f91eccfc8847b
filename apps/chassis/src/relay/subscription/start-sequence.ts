import { QuartetError } from "../../error/quartet-error.ts";
import type { EventLog } from "../log/event-log.ts";

/** The first event that a subscription gets. */
export type SubscriptionStart =
  | { readonly kind: "now" }
  | { readonly kind: "beginning" }
  /** The first that was committed then or later. */
  | { readonly kind: "time"; readonly time: Date }
  /** The one of this sequence. */
  | { readonly kind: "sequence"; readonly sequence: bigint };

/** What of the log says where to begin. */
export type LogEnds = Pick<EventLog, "readFloor" | "readHead" | "findSequence">;

/**
 * The sequence after which a subscription begins, which is where its cursor is at first.
 *
 * @throws QuartetError `invalid_argument` for a sequence that is none of the log's, and not the next one.
 */
export async function findStart(log: LogEnds, start: SubscriptionStart): Promise<bigint> {
  switch (start.kind) {
    case "now":
      return (await log.readHead()).seq;
    case "beginning":
      return log.readFloor();
    case "time":
      return log.findSequence(start.time);
    case "sequence":
      return findSequence(log, start.sequence);
  }
}

async function findSequence(log: LogEnds, sequence: bigint): Promise<bigint> {
  const [floor, head] = await Promise.all([log.readFloor(), log.readHead()]);
  if (sequence > floor && sequence <= head.seq + 1n) return sequence - 1n;
  throw new QuartetError(
    "invalid_argument",
    `The log has the sequences ${floor + 1n} to ${head.seq}, and ${sequence} is none of them.`,
    { field: "from_sequence", fix: "Name one of them, a time, or the beginning." },
  );
}
