import type { ColumnType } from "kysely";

/**
 * The pbtables of the domain by name, for Kysely. Generated code adds them by augmentation of `@quartet/chassis`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: generated code fills it by declaration merging.
export interface TableTypes {}

/** A pbtable's row for Kysely: generated columns are read, never written; `pb` is the message's JSON. */
export type PbRow<Columns> = {
  readonly [Name in keyof Columns]: ColumnType<Columns[Name], never, never>;
} & {
  readonly pb: ColumnType<unknown, string, string>;
  readonly version: ColumnType<bigint, bigint | undefined, bigint>;
};
