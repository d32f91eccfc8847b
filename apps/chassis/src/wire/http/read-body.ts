import type { IncomingMessage } from "node:http";
import { QuartetError } from "../../error/quartet-error.ts";

/** For how long a refused body is read and thrown away, so that its sender hears the refusal and not a reset. */
const lingerMs = 3_000;

/**
 * Reads a request's body. By its events: the stream's iterator costs twice as much per request.
 *
 * @throws QuartetError `too_large` as soon as it is past `maxBytes`, `canceled` when the client goes.
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw refuse(request, maxBytes);
  const chunks: Buffer[] = [];
  let bytes = 0;
  await consume(request, (chunk) => {
    bytes += chunk.length;
    chunks.push(chunk);
    return bytes <= maxBytes;
  });
  if (bytes > maxBytes) throw refuse(request, maxBytes);
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** Resolves at the body's end, or when `take` wants no more of it. */
function consume(request: IncomingMessage, take: (chunk: Buffer) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      if (!take(chunk)) onEnd();
    };
    // At once: every request closes after its end, and an error that nobody sees costs more than reading it.
    const leave = () => {
      request.off("data", onData).off("end", onEnd).off("error", onGone).off("close", onGone);
    };
    const onEnd = () => {
      leave();
      resolve();
    };
    const onGone = (cause?: Error) => {
      leave();
      reject(new QuartetError("canceled", "The client went before its request was read.", { cause }));
    };
    if (request.destroyed && !request.readableEnded) onGone();
    else request.on("data", onData).on("end", onEnd).on("error", onGone).on("close", onGone);
  });
}

/** What is left of the body goes by unread behind the answer; a sender that does not end is cut off. */
function discardBody(request: IncomingMessage): void {
  request.resume();
  const timer = setTimeout(() => request.destroy(), lingerMs);
  request.once("close", () => clearTimeout(timer));
}

function refuse(request: IncomingMessage, maxBytes: number): QuartetError {
  discardBody(request);
  return new QuartetError("too_large", `The body is larger than ${maxBytes} bytes.`);
}
