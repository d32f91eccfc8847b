import { invalidAttribute } from "./event-attributes.ts";

/** Headers as Node gives them, in any case. */
export type HttpHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Reads one header, by its lower-case name.
 *
 * @throws QuartetError `invalid_argument` when it is given more than once.
 */
export function readHeader(headers: HttpHeaders, name: string): string | undefined {
  let found: string | undefined;
  // By the names: an object of 25 headers, as Node makes it, takes seven times as long to list with its values.
  for (const key of Object.keys(headers)) {
    if (key.length === name.length && key.toLowerCase() === name) {
      found = onlyValue(name, headers[key], found !== undefined) ?? found;
    }
  }
  return found;
}

/**
 * The value that stands under a header's name in some case. `isKnown`: it had one in another.
 *
 * @throws QuartetError `invalid_argument` when there are several.
 */
export function onlyValue(name: string, value: HttpHeaders[string], isKnown: boolean): string | undefined {
  const first = typeof value === "object" ? value[0] : value;
  if (first !== undefined && (isKnown || (typeof value === "object" && value.length > 1))) {
    throw invalidAttribute(name, "is given more than once");
  }
  return first;
}
