import { invalidAttribute } from "./event-attributes.ts";

/** Headers as Node gives them, in any case. */
export type HttpHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Headers by lower-case name, those only that `wanted` takes.
 *
 * @throws QuartetError `invalid_argument` for one that is given more than once.
 */
export function pickHeaders(headers: HttpHeaders, wanted: (name: string) => boolean): Map<string, string> {
  const picked = new Map<string, string>();
  for (const [key, value] of Object.entries(headers)) {
    const name = key.toLowerCase();
    if (value === undefined || !wanted(name)) continue;
    const [first, ...more] = typeof value === "string" ? [value] : value;
    if (more.length > 0 || picked.has(name)) throw invalidAttribute(name, "is given more than once");
    if (first !== undefined) picked.set(name, first);
  }
  return picked;
}
