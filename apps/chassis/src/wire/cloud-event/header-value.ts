/**
 * Attribute values as HTTP header values: HTTP protocol binding, 3.1.3.2.
 */

/** Percent-encodes space, `"`, `%` and everything outside U+0021–U+007E. The value must be well-formed Unicode. */
export function encodeHeaderValue(value: string): string {
  return value.replace(/[^\x21\x23\x24\x26-\x7e]/gu, encodeURIComponent);
}

/**
 * Undoes double-quoted strings, which older senders used, and then one round of percent-encoding. Needless escapes
 * and bare spaces are accepted. Undefined for other characters that should have been encoded, an unclosed quote, a
 * malformed escape and escapes that are not UTF-8.
 */
export function decodeHeaderValue(raw: string): string | undefined {
  if (/[^\x20-\x7e]/.test(raw)) return undefined;
  const unquoted = raw.includes('"') ? unquote(raw) : raw;
  if (unquoted === undefined || !unquoted.includes("%")) return unquoted;
  try {
    return decodeURIComponent(unquoted);
  } catch {
    return undefined;
  }
}

/** RFC 9110, section 5.6.4. */
function unquote(raw: string): string | undefined {
  let text = "";
  let quoted = false;
  for (let at = 0; at < raw.length; at++) {
    const character = raw.charAt(at);
    if (character === '"') quoted = !quoted;
    else if (character === "\\" && quoted) text += raw.charAt(++at);
    else text += character;
  }
  return quoted ? undefined : text;
}
