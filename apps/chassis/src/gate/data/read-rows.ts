import type { Pool } from "pg";
import { quoteIdentifier } from "../../schema/identifier.ts";
import { queryAgain } from "./query-again.ts";
import type { KeyColumn } from "./stored-table.ts";

/** What to read of a table. */
export interface RowSource {
  readonly from: string;
  readonly key: readonly KeyColumn[];
  /** Column of the message, jsonb. */
  readonly json: string;
  /** Column that names the message's type; absent where the table has one type. */
  readonly type?: string;
}

export interface StoredRow {
  /** Values of the primary key as Postgres prints them. */
  readonly key: readonly string[];
  readonly json: string;
  readonly type: string | null;
}

const batchRows = 1_000;
/** Bytes as they are stored: compressed, so in memory a batch may be several times as large. */
const batchBytes = 1_048_576;

/**
 * Reads rows in the order of their key, a batch at a time. Each batch is a statement of its own, so that no snapshot
 * lasts; rows that come or go meanwhile may be seen or not. One row is read however large it is.
 */
export async function* readRows(pool: Pool, source: RowSource): AsyncGenerator<readonly StoredRow[]> {
  const keys = source.key.map(({ name }) => quoteIdentifier(name)).join(", ");
  let last: readonly string[] | undefined;
  for (;;) {
    const result = await queryAgain<StoredRow>(pool, batchSql(source, keys, last !== undefined), last);
    if (result.rows.length === 0) return;
    yield result.rows;
    last = result.rows.at(-1)?.key;
  }
}

function batchSql(source: RowSource, keys: string, after: boolean): string {
  const printed = source.key.map(({ name }) => `${quoteIdentifier(name)}::text`).join(", ");
  const json = quoteIdentifier(source.json);
  const type = source.type === undefined ? "null" : quoteIdentifier(source.type);
  return `select array[${printed}] as key, ${json}::text as json, ${type} as type from (
  select ${keys}, ${json}${source.type === undefined ? "" : `, ${type}`},
    sum(pg_column_size(${json})) over (order by ${keys} rows between unbounded preceding and 1 preceding) as bytes_before
  from ${source.from} ${after ? `where ${afterKey(source.key)}` : ""}
  order by ${keys} limit ${batchRows}
) batch where coalesce(bytes_before, 0) < ${batchBytes} order by ${keys}`;
}

/** Condition: the key comes after the bound one. */
function afterKey(key: readonly KeyColumn[]): string {
  const names = key.map(({ name }) => quoteIdentifier(name)).join(", ");
  const values = key.map(({ sqlType }, index) => `$${1 + index}::${sqlType}`).join(", ");
  return `(${names}) > (${values})`;
}
