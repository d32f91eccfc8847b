import type { ColumnType } from "kysely";

/**
 * The pbtables of the domain by name, for Kysely. Generated code adds them by augmentation of `@quartet/chassis`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: generated code fills it by declaration merging.
export interface TableTypes {}

type ReadOnly<T> = ColumnType<T, never, never>;

/** A pbtable's row for Kysely: generated columns are read, never written; `pb` is the message's JSON. */
export type PbRow<Columns> = {
  readonly [Name in keyof Columns]: ReadOnly<Columns[Name]>;
} & {
  readonly pb: ColumnType<unknown, string, string>;
  readonly version: ColumnType<bigint, bigint | undefined, bigint>;
};

/** The columns of a relational view by what may be done with them. Each is read as its type here. */
export interface ViewColumns {
  /** Of the primary key. Never NULL. */
  readonly key: object;
  /** Of scalars and of what ProtoJSON writes as one. Those with `null` in their type can be NULL. */
  readonly plain?: object;
  /** Of repeated, map and message fields: `jsonb`. */
  readonly json?: object;
  /** Of what is inside message fields. */
  readonly path?: object;
}

/**
 * A row of a pbtable's relational view for Kysely.
 *
 * - Key columns are given on insert and never change.
 * - Other columns may be left out or be null: then the field has its proto default, or is not set. A column without
 *   `null` in its type is never NULL when read.
 * - Columns of repeated, map and message fields take their ProtoJSON as text.
 * - `version` and path columns are only read.
 */
export type ViewRow<Columns extends ViewColumns> = {
  readonly [Name in keyof Columns["key"]]: ColumnType<Columns["key"][Name], Columns["key"][Name], never>;
} & {
  readonly [Name in keyof Columns["plain"]]: ColumnType<
    Columns["plain"][Name],
    Columns["plain"][Name] | null | undefined,
    Columns["plain"][Name] | null
  >;
} & {
  readonly [Name in keyof Columns["json"]]: ColumnType<
    Columns["json"][Name],
    string | null | undefined,
    string | null
  >;
} & {
  readonly [Name in keyof Columns["path"]]: ReadOnly<Columns["path"][Name]>;
} & {
  readonly version: ReadOnly<bigint>;
};

/** What a history says of a change of a row. */
interface HistoryColumns {
  /** Of the row before the change. Null: there was none. */
  readonly version_before: bigint | null;
  readonly operation: "insert" | "update" | "delete";
  readonly changed_at: Date;
  /** The database login that made the change. */
  readonly login: string;
  /** Who asked for it. Null: nobody that the platform knows, as from psql. */
  readonly principal: string | null;
  readonly operation_id: string | null;
  /** What the change set and removed. Null: the row was deleted. */
  readonly patch: unknown;
  /** What takes the change back. Null: the row was inserted. */
  readonly undo: unknown;
  /** The order of a row's changes. */
  readonly place: bigint;
}

/**
 * A row of a pbtable's history for Kysely: one change of one row. Read, never written. `version` is that of the row after
 * the change. A column whose name is a key column's has `_` after it.
 */
export type HistoryRow<Key> = {
  readonly [Name in keyof Key]: ReadOnly<Key[Name]>;
} & {
  readonly [Name in keyof HistoryColumns as FreeName<Name, keyof Key>]: ReadOnly<HistoryColumns[Name]>;
} & {
  readonly version: ReadOnly<bigint>;
};

type FreeName<Name extends string, Taken> = Name extends Taken ? FreeName<`${Name}_`, Taken> : Name;
