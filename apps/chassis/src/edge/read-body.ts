import type { IncomingMessage } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";

/** Largest body of a client's request. */
export const maxBodyBytes = 1_048_576;

/** Largest body of a push: an intent may carry several messages of a client's size. */
export const maxPushBytes = 8 * maxBodyBytes;

/** For how long a refused body is read and thrown away, so that its sender hears the refusal and not a reset. */
const lingerMs = 3_000;

/**
 * Reads a request's body.
 *
 * @throws QuartetError `too_large` as soon as it is past `maxBytes`, `canceled` when the client goes.
 */
export async function readBody(request: IncomingMessage, maxBytes: number = maxBodyBytes): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw refuse(request, maxBytes);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw refuse(request, maxBytes);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof QuartetError) throw cause;
    throw new QuartetError("canceled", "The client went before its request was read.", { cause });
  }
  return Buffer.concat(chunks);
}

/** What is left of the body goes by unread behind the answer; a sender that does not end is cut off. */
function refuse(request: IncomingMessage, maxBytes: number): QuartetError {
  request.resume();
  const timer = setTimeout(() => request.destroy(), lingerMs);
  request.once("close", () => clearTimeout(timer));
  return new QuartetError("too_large", `The body is larger than ${maxBytes} bytes.`);
}

/** @throws QuartetError `unsupported_media_type`, or `malformed_body` with the parser's own words. */
export function parseJsonBody(body: Buffer, contentType: string | undefined): JsonValue | undefined {
  if (body.length === 0) return undefined;
  if (!/^application\/(json|[\w.-]+\+json)\s*(;|$)/i.test(contentType ?? "")) {
    throw new QuartetError(
      "unsupported_media_type",
      `A body of type ${contentType ?? "(none)"} is not read.`,
      {
        field: "Content-Type",
        fix: "Send Content-Type: application/json.",
      },
    );
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as JsonValue;
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : "it is not UTF-8";
    throw new QuartetError("malformed_body", `The body is not JSON: ${reason}.`, { cause });
  }
}
