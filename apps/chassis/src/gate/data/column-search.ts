import type { Pool } from "pg";
import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Column } from "../../schema/table/column.ts";
import { sqlStateOf } from "../../sql/translate-error.ts";
import { queryAgain } from "./query-again.ts";
import type { StoredRow } from "./read-rows.ts";
import type { KeyColumn, StoredTable } from "./stored-table.ts";

/** A row of which Postgres cannot compute a column. */
export interface ColumnFault {
  readonly column: Column;
  readonly row: StoredRow;
  readonly detail: string;
}

/** More rows than these are not told apart: finding each takes a score of statements. */
const maxFaultsPerColumn = 1_000;

/**
 * Finds rows of which a generated column cannot be computed, by computing columns over batches that a single count
 * covers, and halving those batches that fail.
 */
export class ColumnSearch {
  private readonly pool: Pool;
  private readonly from: string;
  private readonly key: readonly KeyColumn[];
  private readonly found = new Map<string, number>();
  private readonly columns: readonly { readonly column: Column; readonly sql: string }[];

  /** Columns that the database does not have yet are computed as `quartet apply` would make them. */
  constructor(pool: Pool, table: StoredTable, columns: readonly Column[]) {
    this.pool = pool;
    this.from = table.sqlName;
    this.key = table.key;
    this.columns = columns
      .filter((column) => column.sqlType !== "text" && column.sqlType !== "jsonb") // cannot fail
      .map((column) => ({
        column,
        sql: table.columns.has(column.name) ? quoteIdentifier(column.name) : column.expression,
      }));
  }

  /** Columns of which so many rows failed that the rest was not looked at. */
  get exhausted(): readonly string[] {
    return [...this.found].flatMap(([name, count]) => (count >= maxFaultsPerColumn ? [name] : []));
  }

  /** The faults among rows that were read as one batch. */
  async search(rows: readonly StoredRow[]): Promise<readonly ColumnFault[]> {
    const left = this.columns.filter(({ column }) => !this.exhausted.includes(column.name));
    if (
      left.length === 0 ||
      (await this.failure(
        left.map(({ sql }) => sql),
        rows,
      )) === undefined
    )
      return [];
    const faults: ColumnFault[] = [];
    for (const { column, sql } of left) faults.push(...(await this.halve(column, sql, rows)));
    return faults;
  }

  private async halve(column: Column, sql: string, rows: readonly StoredRow[]): Promise<ColumnFault[]> {
    const count = this.found.get(column.name) ?? 0;
    const [row] = rows;
    if (row === undefined || count >= maxFaultsPerColumn) return [];
    const detail = await this.failure([sql], rows);
    if (detail === undefined) return [];
    if (rows.length === 1) {
      this.found.set(column.name, count + 1);
      return [{ column, row, detail }];
    }
    const middle = rows.length >> 1;
    const first = await this.halve(column, sql, rows.slice(0, middle));
    return [...first, ...(await this.halve(column, sql, rows.slice(middle)))];
  }

  /** Why columns cannot be computed of these rows; undefined when they can. */
  private async failure(
    expressions: readonly string[],
    rows: readonly StoredRow[],
  ): Promise<string | undefined> {
    const counts = expressions.map((sql) => `count(${sql})`).join(", ");
    const names = this.key.map(({ name }) => quoteIdentifier(name)).join(", ");
    const values = this.key.map(({ sqlType }, index) => `$${1 + index}::${sqlType}[]`).join(", ");
    const text = `select ${counts} from ${this.from} where (${names}) in (select * from unnest(${values}))`;
    try {
      await queryAgain(
        this.pool,
        text,
        this.key.map((_, index) => rows.map((row) => row.key[index])),
      );
      return undefined;
    } catch (error) {
      const state = sqlStateOf(error) ?? "";
      if (!state.startsWith("22")) throw error; // class 22: data exception
      return `cannot be computed: ${messageOf(error)} (SQLSTATE ${state})`;
    }
  }
}

/** Postgres' words without the value it quotes. */
function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/"[^"]*"/gs, "…").replace(/: .*$/s, "");
}
