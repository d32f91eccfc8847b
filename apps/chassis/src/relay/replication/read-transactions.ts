import { QuartetError } from "../../error/quartet-error.ts";
import { captureError } from "./capture-fault.ts";
import { LogicalStream } from "./logical-stream.ts";
import { checkSource, type ReplicationSource } from "./replication-source.ts";
import type { TransactionStream, TransactionStreamOptions } from "./transaction-stream.ts";

export type { ReplicationSource } from "./replication-source.ts";
export type { TransactionPart } from "./transaction-part.ts";
export type { TransactionStream, TransactionStreamOptions } from "./transaction-stream.ts";

/**
 * Starts reading committed transactions where the slot stands; see {@link TransactionStream} for what is promised.
 * Needs a slot (`ensureSlot`) and PostgreSQL 14 or later. Nothing is acknowledged that the consumer did not
 * acknowledge.
 *
 * Throws `unavailable` when the server cannot be reached or refuses (`captureFault` tells which), `invalid_argument`
 * for a bad slot name, `canceled` when aborted while opening. Then nothing is left open.
 */
export async function openTransactionStream(
  source: ReplicationSource,
  options: TransactionStreamOptions = {},
): Promise<TransactionStream> {
  checkSource(source);
  throwIfAborted(options.signal);
  const stream = new LogicalStream(source, options);
  try {
    await stream.open();
  } catch (error) {
    await stream[Symbol.asyncDispose]();
    throwIfAborted(options.signal);
    throw captureError(`Cannot capture from slot ${source.slot}`, error);
  }
  return stream;
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new QuartetError("canceled", "Capturing was aborted.", { cause: signal.reason });
  }
}
