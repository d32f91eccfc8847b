import type { IncomingMessage } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";

/** Largest body of a client's request. */
export const maxBodyBytes = 1_048_576;

/** Largest body of a push: an intent may carry several messages of a client's size. */
export const maxPushBytes = 8 * maxBodyBytes;

/** How much of a refused body is read and thrown away, and for how long, so that its sender hears the refusal. */
const lingerBytes = 64 * maxBodyBytes;
const lingerMs = 3_000;

/**
 * Reads a request's body.
 *
 * @throws QuartetError `too_large` past `maxBytes`, `canceled` when the client goes.
 */
export async function readBody(request: IncomingMessage, maxBytes: number = maxBodyBytes): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let refusedAtMs = Number(request.headers["content-length"] ?? 0) > maxBytes ? Date.now() : undefined;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      if (bytes > maxBytes) refusedAtMs ??= Date.now();
      if (refusedAtMs === undefined) chunks.push(chunk);
      else if (bytes > lingerBytes || Date.now() - refusedAtMs > lingerMs) break;
    }
  } catch (cause) {
    throw new QuartetError("canceled", "The client went before its request was read.", { cause });
  }
  if (refusedAtMs !== undefined) {
    throw new QuartetError("too_large", `The body is larger than ${maxBytes} bytes.`);
  }
  return Buffer.concat(chunks);
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
