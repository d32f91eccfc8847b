import type { Lsn } from "./lsn.ts";

/** One inserted row. */
export interface CapturedRow {
  /** `schema.table`, unquoted; of the partition root where the publication says `publish_via_partition_root`. */
  readonly relation: string;
  /** Column name → Postgres's text form of the value. Times are ISO 8601 in UTC, bytea is hexadecimal. */
  readonly values: Readonly<Record<string, string | null>>;
}

/**
 * Consecutive rows of one committed transaction that inserted at least one row. A transaction comes in one part or, where
 * it is large, in several; the parts of one transaction follow each other with no other between them.
 *
 * A transaction that is torn by a lost connection comes again from its first row, and may then be cut elsewhere: what of
 * it is stored is known by `commitLsn` and the place of the row, never by the part.
 */
export interface TransactionPart {
  /** Where the commit record starts: names the transaction, ascending from one to the next. */
  readonly commitLsn: Lsn;
  /**
   * Where the commit record ends: what may be acknowledged when this part and all before it are durably stored.
   * Undefined: more of this transaction follows.
   */
  readonly commitEndLsn: Lsn | undefined;
  readonly commitTime: Date;
  /** The place of the first row among the transaction's rows, from 0. */
  readonly firstRow: number;
  /** Inserts only, in the order in which the transaction made them. Empty only where the last part brings just the end. */
  readonly rows: readonly CapturedRow[];
}
