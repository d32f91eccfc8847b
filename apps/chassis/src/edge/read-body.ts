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
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as JsonValue;
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : "it is not UTF-8";
    throw new QuartetError("malformed_body", `The body is not JSON: ${reason}.`, { cause });
  }
}
