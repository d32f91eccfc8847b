import type { CapturePoint, CaptureState, LogBatch } from "../log/event-log.ts";
import type { CapturedEvent } from "../log/log-event.ts";
import type { Lsn } from "../replication/lsn.ts";
import type { CapturedRow, TransactionPart } from "../replication/transaction-part.ts";

/** Where the log stands, as far as it decides what of a stream it lacks. */
export type LogPlace = Pick<CaptureState, "point" | "confirmed">;

/** A batch for the log, and the commit end that may be acknowledged to the slot once it is durable. */
export interface CaptureBatch extends LogBatch {
  readonly acknowledge: Lsn | undefined;
}

/**
 * Makes one batch of consecutive parts of a stream.
 *
 * Of the transaction that the log stands in, the rows that it has are left out. Whole transactions from before are not:
 * a slot repeats them after a crash, and so does a database that was restored and has written other ones in their place.
 * `checkTo` bounds them: up to there ids are looked up.
 *
 * @param toEvent undefined for a row that is none, which counts among the rows nevertheless
 * @param checkTo the greatest commit LSN of which events may be in the log, as it was when the stream was opened
 */
export function createCaptureBatch(
  parts: readonly TransactionPart[],
  place: LogPlace,
  checkTo: Lsn,
  toEvent: (row: CapturedRow, part: TransactionPart) => CapturedEvent | undefined,
): CaptureBatch {
  const events: CapturedEvent[] = [];
  let { point, confirmed } = place;
  let acknowledge: Lsn | undefined;
  let checkIds = false;
  for (const part of parts) {
    const known = part.commitLsn === point.commitLsn ? Math.max(0, point.rows - part.firstRow) : 0;
    for (let row = known; row < part.rows.length; row++) {
      const event = toEvent(part.rows[row] as CapturedRow, part); // within bounds
      if (event !== undefined) events.push(event);
    }
    point = moveOn(point, part);
    checkIds ||= part.commitLsn <= checkTo;
    if (part.commitEndLsn === undefined) continue;
    acknowledge = part.commitEndLsn;
    if (acknowledge > confirmed) confirmed = acknowledge;
  }
  return { events, point, confirmed, checkIds, acknowledge };
}

function moveOn(point: CapturePoint, { commitLsn, firstRow, rows }: TransactionPart): CapturePoint {
  if (commitLsn < point.commitLsn) return point;
  const reached = firstRow + rows.length;
  if (commitLsn === point.commitLsn && reached <= point.rows) return point;
  return { commitLsn, rows: reached };
}
