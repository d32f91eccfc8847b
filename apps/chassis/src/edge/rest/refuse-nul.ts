import type { JsonValue } from "@bufbuild/protobuf";
import { invalidArgument } from "./invalid-argument.ts";

// JSON.stringify writes exactly these characters as such escapes. A backslash in a text can look like one
// ("\\u0000"), which the exact search then clears.
const SUSPECT = /\\u(?:0000|d[89a-f][0-9a-f]{2})/;

/**
 * Refuses JSON with a string or key that PostgreSQL cannot hold as jsonb: one with U+0000, or with half a surrogate
 * pair (which is no Unicode text, and no protobuf string either). The common case costs one `JSON.stringify` and one
 * scan. The JSON must not be nested so deep that `JSON.stringify` fails; what `fromJson` accepted is not.
 *
 * @throws QuartetError `invalid_argument` with the path of the first such string as `field`.
 */
export function refuseNul(json: JsonValue): void {
  if (!SUSPECT.test(JSON.stringify(json))) return;
  const fault = findUnstorable(json, "");
  if (fault === undefined) return;
  throw invalidArgument(fault.path, fault.reason);
}

interface UnstorableText {
  readonly path: string;
  readonly reason: string;
}

function findUnstorable(json: JsonValue, path: string): UnstorableText | undefined {
  if (typeof json === "string") return inspect(json, path);
  if (typeof json !== "object" || json === null) return undefined;
  for (const [key, value] of Object.entries(json)) {
    const at = Array.isArray(json) ? `${path}[${key}]` : join(path, key);
    const fault = inspect(key, at) ?? findUnstorable(value, at);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function inspect(text: string, path: string): UnstorableText | undefined {
  if (text.includes("\0")) return { path: printable(path), reason: "the character U+0000 cannot be stored" };
  if (text.isWellFormed()) return undefined;
  return { path: printable(path), reason: "half a surrogate pair is not Unicode text" };
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** The path may end in the very key that is refused. */
function printable(path: string): string {
  return path.toWellFormed().replaceAll("\0", "\uFFFD");
}
