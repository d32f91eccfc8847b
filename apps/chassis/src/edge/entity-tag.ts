import { crc32 } from "node:zlib";
import { QuartetError } from "../error/quartet-error.ts";

/**
 * The entity tag (RFC 9110, section 8.8.3) of an answer that is one row: the row's version, and a checksum of the body
 * where there is one. The version alone would call two answers the same that are not: of a row that was deleted and
 * inserted again, of builds of which one has a field more, of rows that SQL wrote without raising it.
 */
export function entityTagOf(version: bigint, body?: string): string {
  return body === undefined ? `"${version}"` : `"${version}-${crc32(body).toString(16).padStart(8, "0")}"`;
}

/**
 * The version that an `If-Match` header names.
 *
 * @throws QuartetError `invalid_argument` when it is not the one tag of an answer of ours.
 */
export function readIfMatch(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  const version = /^"(\d{1,18})(?:-[\da-f]{8})?"$/.exec(text.trim())?.[1];
  if (version !== undefined) return BigInt(version);
  throw new QuartetError("invalid_argument", "If-Match is not one entity tag.", {
    field: "If-Match",
    fix: 'Send the ETag of the answer that the change is based on, such as If-Match: "3".',
  });
}

/** The tags of an `If-None-Match` header, weak ones as strong ones: it compares weakly (RFC 9110, section 13.1.2). */
export function readEntityTags(text: string | undefined): readonly string[] | undefined {
  return text?.match(/\*|"[^"]*"/g) ?? undefined;
}

/** Whether the client has what it asks for already. */
export function isKnown(tag: string, known: readonly string[] | undefined): boolean {
  return known !== undefined && (known.includes("*") || known.includes(tag));
}
