import type { Pool, QueryResult } from "pg";
import type { Statement } from "../sql/sql-client.ts";
import { formatPosition, parseWalLocation } from "./position.ts";
import { locationSql, timelineSql } from "./server-state.ts";
import { systemIdOf } from "./system-id.ts";

/** Reads where the database is now; {@link readPosition} makes a position of it. */
export const positionStatement: Statement = {
  name: "take position",
  text: `select (${locationSql})::text as lsn, ${timelineSql} as timeline`,
};

/**
 * The position now. Call it after COMMIT: a location inside the commit record is passed too early.
 * On a replica it is the location replayed so far.
 */
export async function takePosition(pool: Pool): Promise<string> {
  const systemId = await systemIdOf(pool);
  return readPosition(await pool.query({ ...positionStatement }), systemId);
}

/** @param result of {@link positionStatement} */
export function readPosition({ rows }: QueryResult, systemId: string): string {
  const [row] = rows as readonly { readonly lsn: string | null; readonly timeline: number | null }[];
  return formatPosition({ systemId, timeline: row?.timeline ?? 0, lsn: parseWalLocation(row?.lsn ?? "0/0") });
}
