import type { JsonValue } from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";

/** JSON.stringify escapes U+0000 and halves of surrogate pairs, so texts without these escapes hold none. */
const suspect = /\\u(?:0000|d[89a-f])/;
const unstorable = /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/**
 * The text of a message's JSON, for a `jsonb` column. Protobuf strings may hold what Postgres cannot: U+0000, and halves
 * of surrogate pairs, which are no Unicode at all.
 *
 * @throws QuartetError `invalid_argument` whose field is the JSON path of the first such string or map key, such as
 * `lines[2].sku`.
 */
export function printStorable(json: JsonValue): string {
  const text = JSON.stringify(json);
  if (suspect.test(text)) requireStorable(json, "");
  return text;
}

function requireStorable(json: JsonValue, path: string): void {
  if (typeof json === "string") requireText(json, path, "");
  else if (Array.isArray(json)) {
    for (const [index, value] of json.entries()) requireStorable(value, `${path}[${index}]`);
  } else if (typeof json === "object" && json !== null) {
    for (const [key, value] of Object.entries(json)) {
      requireText(key, path, "A key of ");
      requireStorable(value, path === "" ? key : `${path}.${key}`);
    }
  }
}

function requireText(text: string, path: string, what: string): void {
  const found = unstorable.exec(text);
  if (found === null) return;
  const name = found[0] === "\0" ? "U+0000" : "half of a surrogate pair, which is no Unicode";
  throw new QuartetError("invalid_argument", `${what}${path} contains ${name}.`, {
    field: path,
    fix: "Send Unicode without U+0000; the database can store no other.",
  });
}
