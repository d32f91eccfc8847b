import { setTimeout as delay } from "node:timers/promises";
import type { CaptureState } from "../log/event-log.ts";
import type { TransactionStream } from "../replication/transaction-stream.ts";
import { LogWriter, type LogWriterParts } from "./log-writer.ts";

/**
 * Rows of a batch. It may have those of one part (1,000) more; bytes are bounded by the stream's buffer. With 2,000 an
 * event costs no less, and the copies that are made of a batch on its way to the server take twice the memory.
 */
const batchRows = 1_000;

/**
 * Appends what a stream brings until it ends, without an error where it was aborted. While a batch is being appended the
 * next one is being received, no further: the rest waits in the stream, which holds back the server.
 *
 * @param confirmMs how often what is settled is confirmed without an append
 * @throws what the stream or the log fails with; what was begun is over then.
 */
export async function streamIntoLog(
  parts: Omit<LogWriterParts, "onFailure">,
  stream: TransactionStream,
  state: CaptureState,
  confirmMs: number,
): Promise<void> {
  const writer = new LogWriter(
    { ...parts, onFailure: () => void stream[Symbol.asyncDispose]() }, // ends the iteration; never rejects
    stream,
    state,
  );
  const confirming = confirmRegularly(writer, stream, confirmMs);
  try {
    for await (const first of stream) {
      await writer.idle();
      writer.append([first, ...stream.takeReceived(batchRows - first.rows.length)]);
    }
    await writer.idle();
  } finally {
    await stream[Symbol.asyncDispose]();
    await confirming;
    await writer.idle().catch(() => undefined); // thrown above, or less telling than what was
  }
}

async function confirmRegularly(
  writer: LogWriter,
  stream: TransactionStream,
  confirmMs: number,
): Promise<void> {
  while (!stream.ended.aborted) {
    await delay(confirmMs, undefined, { signal: stream.ended }).catch(() => undefined);
    if (stream.ended.aborted) return;
    writer.confirmSettled();
    await writer.idle().catch(() => undefined); // ends the stream
  }
}
