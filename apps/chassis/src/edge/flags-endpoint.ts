import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FlagBook } from "../flags/flag-book.ts";
import { isKnown, readEntityTags } from "./entity-tag.ts";

export const flagsPath = "/_quartet/flags";

/**
 * `GET /_quartet/flags`: where this process has its flags from, the document that counts, alarms and gauges. With an
 * entity tag, so that a gateway that asks twice a second is told 304 while nothing changes.
 */
export function answerFlags(book: FlagBook, request: IncomingMessage, response: ServerResponse): void {
  const body = JSON.stringify({ ...book.status, gauges: book.gauges });
  const tag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  response.setHeader("ETag", tag);
  response.setHeader("Cache-Control", "no-cache");
  if (isKnown(tag, readEntityTags(request.headers["if-none-match"]))) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { "Content-Type": "application/json" }).end(body);
}
