/** What may be said of stored data that a build is to read. */
export type RemarkKind = FaultKind | NoteKind;

/**
 * Something that this build would read wrongly, or not at all.
 *
 * - `unparsable`: reading the row fails.
 * - `changed`: it reads as another value, or would be written as one of another JSON type.
 * - `precision`: it reads as a number with fewer digits.
 * - `unknown_enum`: an enum name that reads as zero.
 * - `key`: the row is stored under another key than its message says.
 * - `column`: a generated column cannot be computed; every query that names it fails.
 * - `unknown_type`: an event of a package of the domain, but of a type that it no longer has.
 * - `shape`: the table is no pbtable, or has another primary key.
 * - `unreadable`: the login may not read the table, so nothing is known of it.
 */
export type FaultKind =
  | "unparsable"
  | "changed"
  | "precision"
  | "unknown_enum"
  | "key"
  | "column"
  | "unknown_type"
  | "shape"
  | "unreadable";

/**
 * Something that this build keeps, though it does not know it: what a newer build wrote, or another domain.
 */
export type NoteKind = "unknown_key" | "unknown_enum_number" | "foreign_type" | "absent";

/** One thing said of one row. Never quotes a value: reports end up in logs. */
export interface Remark {
  readonly kind: RemarkKind;
  /** JSON path inside the row, `items[].sku` or `labels{}.name`; empty for the row itself. */
  readonly path: string;
  readonly detail: string;
}

const noteKinds: ReadonlySet<string> = new Set<NoteKind>([
  "unknown_key",
  "unknown_enum_number",
  "foreign_type",
  "absent",
]);

/** Whether a remark of this kind is information, not a fault. */
export function isNote(kind: RemarkKind): kind is NoteKind {
  return noteKinds.has(kind);
}
