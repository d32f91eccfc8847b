/** Rows that one statement inserts, at most. */
const maxRows = 1_000;
/** Characters of JSON that one statement inserts, unless a single row is longer. */
const maxChars = 1_000_000;

/** Rows' JSON texts as JSON arrays for one statement each, in order, and the index of each array's first row. */
export function* chunkRows(texts: readonly string[]): Generator<{ first: number; rows: string[] }> {
  let first = 0;
  let chars = 0;
  for (const [index, text] of texts.entries()) {
    if (index > first && (index - first === maxRows || chars + text.length > maxChars)) {
      yield { first, rows: texts.slice(first, index) };
      [first, chars] = [index, 0];
    }
    chars += text.length;
  }
  if (texts.length > first) yield { first, rows: texts.slice(first) };
}
