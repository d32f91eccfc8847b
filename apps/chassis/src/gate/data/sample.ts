import type { Pool } from "pg";
import { queryAgain } from "./query-again.ts";
import type { StoredTable } from "./stored-table.ts";

/** Which rows of a table are read. */
export interface Sample {
  /** What stands in FROM. */
  readonly from: string;
  /** How many rows that is, about. */
  readonly expectedRows: number;
  /** How many rows the table has, about. */
  readonly tableRows: number;
  readonly whole: boolean;
}

/** Pages that are read to learn how many rows a page holds; statistics may be old or missing. */
const probedPages = 64;

/**
 * Chooses the rows to read: all of them, or those of random pages that hold about `rows` rows. The same seed chooses the
 * same pages, so batch after batch reads from one sample.
 *
 * @param rows undefined: all
 */
export async function chooseSample(
  pool: Pool,
  table: StoredTable,
  rows: number | undefined,
  seed: number,
): Promise<Sample> {
  const tableRows = await estimateRows(pool, table, seed);
  if (rows === undefined || tableRows <= rows) {
    return { from: table.sqlName, expectedRows: tableRows, tableRows, whole: true };
  }
  const percent = Math.max(1e-6, (100 * rows) / tableRows);
  return { from: sampled(table, percent, seed), expectedRows: rows, tableRows, whole: false };
}

async function estimateRows(pool: Pool, table: StoredTable, seed: number): Promise<number> {
  if (table.pages === 0) return 0;
  const percent = Math.min(100, (100 * probedPages) / table.pages);
  const result = await queryAgain<{ rows: string }>(
    pool,
    `select count(*)::text as rows from ${percent === 100 ? table.sqlName : sampled(table, percent, seed)}`,
  );
  return Math.round((Number(result.rows[0]?.rows ?? 0) * 100) / percent);
}

function sampled(table: StoredTable, percent: number, seed: number): string {
  return `${table.sqlName} tablesample system (${percent.toFixed(6)}) repeatable (${Math.trunc(seed)})`;
}
