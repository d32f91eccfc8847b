import { quoteIdentifier } from "../schema/identifier.ts";
import type { Table } from "../schema/table/table.ts";
import type { SqlClient, Statement } from "../sql/sql-client.ts";
import { nameOf } from "../sql/statement-names.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import { type ManyKeys, manyKeysSql } from "./many-keys.ts";
import type { NamedText } from "./table-statements.ts";

/** Which row it was that somebody saw under a key. */
export interface RowVersion {
  /** 0: there was none. */
  readonly version: bigint;
  /**
   * The transaction that wrote it (xmin; the same on every physical replica). It tells a row from another that took its
   * key later, and began at the same version, and from one that was changed by hand under the same version. 0: not known.
   */
  readonly writer: number;
}

/** What is seen under a key that no row has. */
export const absentRow: RowVersion = { version: 0n, writer: 0 };

/** Hears of each row that a reader reads by its key, and of each key that no row has. */
export type NoteRead = (table: Table, key: string, seen: RowVersion) => void;

/** A bound key as text: equal for equal keys alone. */
export function printKey(values: readonly unknown[]): string {
  return JSON.stringify(values.map(String));
}

/** The values of a key that {@link printKey} printed, to be bound. */
export function readKey(text: string): readonly unknown[] {
  return JSON.parse(text) as readonly unknown[];
}

/**
 * - `none`: as they are now, without what this very transaction has inserted.
 * - `share`: nobody changes or deletes them until the transaction ends; others may hold them likewise.
 * - `change`: as `share`, and they are this transaction's to change: nobody else holds them.
 */
export type RowLock = "none" | "share" | "change";

const lockClauses = { share: " for share of t", change: " for no key update of t" };

interface VersionRow {
  readonly place: number;
  readonly version: bigint;
  readonly writer: string;
}

/**
 * Which rows have these keys, once they are locked: in the order of the keys, so that transactions which lock all their
 * rows like this do not lock each other out. One statement. What has no row is not locked.
 */
export async function readRowVersions(
  client: SqlClient,
  table: Table,
  keys: readonly (readonly unknown[])[],
  lock: RowLock,
): Promise<readonly RowVersion[]> {
  const statement = { ...statementsOf(table)[lock], values: keyColumns(table, keys) };
  const { rows } = await runTranslated(client, statement);
  const found = new Map(rows.map((row) => [row.place, toRowVersion(row)]));
  return keys.map((_, index) => found.get(index + 1) ?? absentRow);
}

export function toRowVersion(row: { readonly version: bigint; readonly writer: string }): RowVersion {
  return { version: BigInt(row.version), writer: Number(row.writer) };
}

/** One array per key column, as statements over many keys take them. */
export function keyColumns(table: Table, keys: readonly (readonly unknown[])[]): unknown[] {
  return table.key.map((_, column) => keys.map((key) => key[column]));
}

/** Statements that tell which row it is that they read. */
interface VersionStatements extends Readonly<Record<RowLock, NamedText>> {
  /** Takes the key's values. Gives `pb`, `version` and `writer`. */
  readonly get: NamedText;
  /** Takes one array per key column. Gives them, and the place among the keys, from 1. */
  readonly getMany: NamedText;
}

const statements = new WeakMap<Table, VersionStatements>();

/** Built once per table. Reading the writer too costs a little, so the statements of plain reads do not. */
export function statementsOf(table: Table): VersionStatements {
  const known = statements.get(table);
  if (known !== undefined) return known;
  const names = table.key.map(({ name }) => quoteIdentifier(name));
  const one = table.key.map(({ sqlType }, index) => `t.${names[index]} = $${index + 1}::${sqlType}`);
  const version = "t.version, t.xmin::text as writer";
  const own = "t.version = 1 and t.xmin is not distinct from pg_current_xact_id_if_assigned()::xid";
  const many = (more: Omit<ManyKeys, "columns">) => named(manyKeysSql(table, { columns: version, ...more }));
  const built = {
    get: named(`select t.pb::text as pb, ${version} from ${table.sqlName} t where ${one.join(" and ")}`),
    getMany: named(manyKeysSql(table, { columns: `t.pb::text as pb, ${version}` })),
    none: many({ where: `not (${own})` }),
    share: many({ lock: lockClauses.share }),
    change: many({ lock: lockClauses.change }),
  };
  statements.set(table, built);
  return built;
}

function named(text: string): NamedText {
  return { name: nameOf(text), text };
}

async function runTranslated(client: SqlClient, statement: Statement) {
  try {
    return await client.query<VersionRow & Record<string, unknown>>(statement);
  } catch (error) {
    throw translateDatabaseError(error);
  }
}
