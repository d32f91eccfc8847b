/** The pieces of JSON text one level down, as the text they are, so that nothing is lost by parsing and printing. */

/** The elements of an array. The text must be a valid JSON array. */
export function sliceElements(text: string): string[] {
  return slice(text);
}

/** The members of an object in order, duplicates included. The text must be a valid JSON object. */
export function sliceMembers(text: string): [name: string, value: string][] {
  return slice(text).map((member) => {
    const colon = member.indexOf(":", endOfString(member, 0));
    return [JSON.parse(member.slice(0, colon)) as string, member.slice(colon + 1).trim()];
  });
}

function slice(text: string): string[] {
  const pieces: string[] = [];
  const inner = text.trim().slice(1, -1);
  if (inner.trim() === "") return pieces;
  let depth = 0;
  let start = 0;
  for (let at = 0; at < inner.length; at++) {
    const character = inner[at];
    if (character === '"') at = endOfString(inner, at);
    else if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    else if (character === "," && depth === 0) {
      pieces.push(inner.slice(start, at).trim());
      start = at + 1;
    }
  }
  pieces.push(inner.slice(start).trim());
  return pieces;
}

/** The index of the quote that closes the string opened at `open`. */
function endOfString(text: string, open: number): number {
  let at = open + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
