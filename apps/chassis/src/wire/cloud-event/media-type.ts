const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\x20-\\x7e])*"';
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?: *; *${TOKEN}=(?:${TOKEN}|${QUOTED}))*$`);

/** Whether a text is a media type with parameters (RFC 2046; grammar of RFC 9110, section 8.3.1). */
export function isMediaType(text: string): boolean {
  return text.length <= 256 && MEDIA_TYPE.test(text);
}

/** Type and subtype in lower case, without parameters. */
export function essence(mediaType: string): string {
  const end = mediaType.indexOf(";");
  return (end < 0 ? mediaType : mediaType.slice(0, end)).trim().toLowerCase();
}

/** Whether data of this type is JSON: subtype `json` or ending in `+json` (JSON format, 3.1.1). */
export function isJsonType(mediaType: string): boolean {
  const subtype = essence(mediaType).split("/")[1] ?? "";
  return subtype === "json" || subtype.endsWith("+json");
}

/** Whether a media type says a charset that is not UTF-8. */
export function hasOtherCharset(mediaType: string): boolean {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(mediaType)?.[1];
  return charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset);
}
