import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { readBody as readAnyBody } from "../wire/http/read-body.ts";

/** Largest body of a client's request. */
export const maxBodyBytes = 1_048_576;

/** Largest body of a push: an intent may carry several messages of a client's size. */
export const maxPushBytes = 8 * maxBodyBytes;

/**
 * Reads a request's body.
 *
 * @throws QuartetError `too_large` as soon as it is past `maxBytes`, `canceled` when the client goes.
 */
export async function readBody(request: IncomingMessage, maxBytes: number = maxBodyBytes): Promise<Buffer> {
  return readAnyBody(request, maxBytes);
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
  if (!isUtf8(body)) throw new QuartetError("malformed_body", "The body is not JSON: it is not UTF-8.");
  try {
    return JSON.parse(body.toString("utf8", startsWithMark(body) ? 3 : 0)) as JsonValue;
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : "it cannot be read";
    throw new QuartetError("malformed_body", `The body is not JSON: ${reason}.`, { cause });
  }
}

/** The byte order mark, which says nothing in UTF-8 and may be ignored (RFC 8259, section 8.1). */
function startsWithMark(body: Buffer): boolean {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
}
