/** Something in a database that is not as an apply would have made it, and the SQL that makes it so. */
export interface Drift {
  /** What is different, from what: one line. */
  readonly what: string;
  /** Scripts to be run one by one, each by itself and outside of a transaction block. */
  readonly mend: readonly string[];
  /** What mending costs, where it is more than milliseconds. */
  readonly note?: string;
  /** Nothing can be applied before this is mended. */
  readonly blocking?: boolean;
}

/** A drift as a script: what it is in comments, and what mends it. */
export function formatDrift(database: string, { what, mend, note }: Drift): readonly string[] {
  return [
    comment(`${database}: altered by hand: ${what}`),
    ...(note === undefined ? [] : [comment(`  ${note}`)]),
    ...mend.map((sql) => `${sql};`),
  ];
}

/** In one line, whatever the names and texts in it: what came after a line feed would be run. */
function comment(text: string): string {
  return `-- ${text.replaceAll(/[\r\n]+/g, " ")}`;
}
