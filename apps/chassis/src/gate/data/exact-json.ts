import type { JsonValue } from "@bufbuild/protobuf";

/** JSON as JavaScript reads it, and which of its numbers lost digits on the way. */
export interface ExactJson {
  readonly value: JsonValue;
  /** Whether the number at this key of this object or array, both inside `value`, is not the one in the text. */
  lostDigits(holder: object, key: string): boolean;
}

/** Up to 15 significant digits always survive; without more in a row there is nothing to look for. */
const manyDigits = /[\d.]{16}/;

/**
 * Parses JSON text as Postgres prints jsonb (numbers without exponents).
 *
 * @throws SyntaxError when it is no JSON.
 */
export function parseExactJson(text: string): ExactJson {
  if (!manyDigits.test(text)) return { value: JSON.parse(text) as JsonValue, lostDigits: () => false };
  const lost = new WeakMap<object, Set<string>>();
  const note = function (this: object, key: string, value: unknown, context?: { readonly source?: string }) {
    const source = context?.source;
    if (typeof value !== "number" || source === undefined || isExact(source, value)) return value;
    const keys = lost.get(this) ?? new Set();
    lost.set(this, keys.add(key));
    return value;
  };
  const value = JSON.parse(text, note) as JsonValue;
  return { value, lostDigits: (holder, key) => lost.get(holder)?.has(key) ?? false };
}

/** Whether the double stands for the text: as the integer it is, or as the shortest decimal that names it. */
function isExact(source: string, value: number): boolean {
  if (/^-?\d+$/.test(source) && Number.isInteger(value) && BigInt(source) === BigInt(value)) return true;
  return decimalOf(source) === decimalOf(String(value));
}

/** Sign, significant digits and exponent of a decimal, so that equal numbers have equal texts. */
function decimalOf(text: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  const leading = (whole + fraction).length - digits.length;
  const point = whole.length - leading + Number(exponent);
  const significant = digits.replace(/0+$/, "");
  return significant === "" ? "0" : `${sign}${significant}e${point}`;
}
