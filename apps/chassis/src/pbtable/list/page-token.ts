import { createHash } from "node:crypto";
import { QuartetError } from "../../error/quartet-error.ts";

/** Where a page ended: the values of the order's columns in its last row, as Postgres prints them. */
export type PageEnd = readonly (string | null)[];

/** The opaque token of the page after `end`. @param query what the token is good for, in any stable spelling */
export function formatPageToken(query: string, end: PageEnd): string {
  return Buffer.from(JSON.stringify([digestOf(query, end), ...end])).toString("base64url");
}

/** @throws QuartetError `invalid_argument` for a token that is damaged or of another query. */
export function parsePageToken(query: string, token: string): PageEnd {
  const [digest, ...end] = readStrings(token);
  if (digest === digestOf(query, end)) return end;
  throw new QuartetError("invalid_argument", "The page token is damaged, or of another query.", {
    field: "page_token",
    fix: "Send next_page_token as it came, with the same filter and order; or none, to begin again.",
  });
}

function readStrings(token: string): (string | null)[] {
  const bytes = Buffer.from(token, "base64url");
  // Node skips what is no base64; a token must be the very one that was given out.
  if (bytes.toString("base64url") !== token) return [];
  try {
    const parsed: unknown = JSON.parse(bytes.toString());
    return isStrings(parsed) ? parsed : [];
  } catch {
    return [];
  }
}

function isStrings(value: unknown): value is (string | null)[] {
  return Array.isArray(value) && value.every((one) => one === null || typeof one === "string");
}

/** Tells damage and other queries apart from the right token. No secret: whoever forges one sees rows he may list. */
function digestOf(query: string, end: PageEnd): string {
  return createHash("sha256")
    .update(JSON.stringify([query, end]))
    .digest("base64url")
    .slice(0, 16);
}
