/**
 * Percent-coding of path segments as `google/api/http.proto` sets it, section "Path template syntax": everything but
 * `[-_.~0-9a-zA-Z]` is encoded; variables of several segments also keep `/`.
 */

/**
 * The text of one or, with `multi`, several raw path segments. In several segments `%2F` stays as it is written.
 * Undefined when an escape is malformed or is not UTF-8.
 */
export function decodePercent(raw: string, multi: boolean): string | undefined {
  if (!raw.includes("%")) return raw;
  try {
    return decodeURIComponent(multi ? raw.replace(/%2f/gi, (slash) => `%25${slash.slice(1)}`) : raw);
  } catch {
    return undefined;
  }
}

/** The inverse: a raw path segment, or several with `multi`. Undefined for text that is not well-formed Unicode. */
export function encodePercent(text: string, multi: boolean): string | undefined {
  if (!text.isWellFormed()) return undefined;
  const encoded = encodeURIComponent(text).replace(/[!'()*]/g, percent);
  return multi ? encoded.replaceAll("%2F", "/") : encoded;
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
