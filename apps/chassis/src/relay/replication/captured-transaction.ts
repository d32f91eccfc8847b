import type { Lsn } from "./lsn.ts";

/** One inserted row. */
export interface CapturedRow {
  /** `schema.table`, unquoted; of the partition root where the publication says `publish_via_partition_root`. */
  readonly relation: string;
  /** Column name → Postgres's text form of the value. Times are ISO 8601 in UTC, bytea is hexadecimal. */
  readonly values: Readonly<Record<string, string | null>>;
}

/** One committed transaction that inserted at least one row. */
export interface CapturedTransaction {
  /** What may be acknowledged when this transaction is durably stored. Ascending from one transaction to the next. */
  readonly commitEndLsn: Lsn;
  readonly commitLsn: Lsn;
  readonly commitTime: Date;
  /** Inserts only, in the order in which the transaction made them. */
  readonly rows: readonly CapturedRow[];
}
