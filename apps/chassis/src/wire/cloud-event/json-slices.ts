/**
 * Where the pieces of JSON text stand one level down, so that they can be taken as the text they are, and nothing is lost
 * by parsing and printing. The text must be valid JSON: only then can it be walked by so little.
 */

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;

/** Takes a member of an object: its name, and where its value stands. */
export type MemberVisitor = (name: string, start: number, end: number) => void;

/** Where the first piece of the array or object stands that is at `open`, or its closing bracket. */
export function firstPiece(text: string, open: number): number {
  return afterBlanks(text, afterBlanks(text, open) + 1);
}

/** Where the next piece stands behind one that ends at `end`, or the closing bracket. */
export function nextPiece(text: string, end: number): number {
  const at = afterBlanks(text, end);
  return text.charCodeAt(at) === comma ? afterBlanks(text, at + 1) : at;
}

/**
 * Visits the members of an object in order, duplicates included.
 *
 * @returns the place behind the object.
 */
export function walkMembers(text: string, open: number, visit: MemberVisitor): number {
  let at = firstPiece(text, open);
  while (!isClosing(text.charCodeAt(at))) {
    const nameEnd = endOfString(text, at);
    const start = afterBlanks(text, text.indexOf(":", nameEnd) + 1);
    const end = endOfValue(text, start);
    visit(readName(text, at, nameEnd), start, end);
    at = nextPiece(text, end);
  }
  return at + 1;
}

function readName(text: string, start: number, end: number): string {
  const name = text.slice(start + 1, end - 1);
  return name.includes("\\") ? (JSON.parse(text.slice(start, end)) as string) : name;
}

/** Where the value ends that begins at `start`. */
function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === quote) return endOfString(text, start);
  return isOpening(first) ? endOfNested(text, start) : endOfLiteral(text, start);
}

/** Behind the bracket that closes the one at `start`. */
function endOfNested(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; ) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at);
      continue;
    }
    at += 1;
    if (isOpening(code)) depth += 1;
    else if (isClosing(code) && --depth === 0) return at;
  }
}

/** Behind a number, true, false or null. */
function endOfLiteral(text: string, start: number): number {
  let at = start;
  while (
    at < text.length &&
    text.charCodeAt(at) !== comma &&
    !isClosing(text.charCodeAt(at)) &&
    !isBlank(text, at)
  )
    at += 1;
  return at;
}

/** Behind the quote that closes the string opened at `open`. The search for the quote is the engine's, and fast. */
function endOfString(text: string, open: number): number {
  let close = text.indexOf('"', open + 1);
  while (isEscaped(text, close)) close = text.indexOf('"', close + 1);
  return close + 1;
}

/** Whether an odd number of backslashes stands before. */
function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text.charCodeAt(before - 1) === backslash) before -= 1;
  return (at - before) % 2 === 1;
}

/** `[` or `{`, which differ in one bit. */
function isOpening(code: number): boolean {
  return (code | 0x20) === 0x7b;
}

/** `]` or `}`, likewise. */
function isClosing(code: number): boolean {
  return (code | 0x20) === 0x7d;
}

/** Space, tab, line feed or carriage return (RFC 8259, section 2): what is below, JSON has only inside strings. */
function isBlank(text: string, at: number): boolean {
  return text.charCodeAt(at) <= 0x20;
}

function afterBlanks(text: string, start: number): number {
  let at = start;
  while (isBlank(text, at)) at += 1;
  return at;
}
