/** Something in the protos that somebody has to change. */
export interface SchemaFinding {
  /** As imports name it, such as `shop/v1/orders.proto`; empty where it belongs to no file that is left. */
  readonly file: string;
  /** From 1. Absent where the schema came without source info. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  /** buf's name of the rule, or ours. */
  readonly rule: string;
  /** One sentence: what it is. */
  readonly message: string;
  /** The compatible way to do what was meant. */
  readonly fix: string;
}

/** In the order of files and lines, each once. */
export function sortFindings<F extends SchemaFinding>(findings: Iterable<F>): readonly F[] {
  const distinct = new Map<string, F>();
  for (const finding of findings) {
    const key = findingKey(finding);
    if (!distinct.has(key)) distinct.set(key, finding);
  }
  return [...distinct.values()].sort(compareFindings);
}

/** The same for findings that say the same of the same place. */
export function findingKey({ file, line, column, rule, message }: SchemaFinding): string {
  return JSON.stringify([file, line, column, rule, message]);
}

/**
 * The finding for a terminal: `shop/v1/orders.proto:12:3: RULE: what it is`, and below it what to do instead.
 *
 * @param more lines between the two
 */
export function formatFinding(finding: SchemaFinding, more: readonly string[] = []): string {
  const { file, line, column, rule, message, fix } = finding;
  const place = [file === "" ? [] : file, line ?? [], column ?? []].flat().join(":");
  const head = [place === "" ? [] : place, rule, message].flat().join(": ");
  return [head, ...[...more, `instead: ${fix}`].map((text) => `    ${text}`)].join("\n");
}

function compareFindings(a: SchemaFinding, b: SchemaFinding): number {
  return (
    compareTexts(a.file, b.file) ||
    (a.line ?? 0) - (b.line ?? 0) ||
    (a.column ?? 0) - (b.column ?? 0) ||
    compareTexts(a.rule, b.rule) ||
    compareTexts(a.message, b.message)
  );
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
