import type { Pool, QueryResult } from "pg";
import type { Statement } from "../sql/sql-client.ts";
import { formatPosition, parseWalLocation } from "./position.ts";
import { locationSql, primaryLocationSql, primaryTimelineSql, timelineSql } from "./server-state.ts";
import { systemIdOf } from "./system-id.ts";

/**
 * The position now. Call it after COMMIT: a location inside the commit record is passed too early.
 * On a replica it is the location replayed so far.
 */
export async function takePosition(pool: Pool): Promise<string> {
  const systemId = await systemIdOf(pool);
  const { rows } = await pool.query<{ lsn: string | null; timeline: number | null }>({
    name: "take position",
    text: `select (${locationSql})::text as lsn, ${timelineSql} as timeline`,
  });
  const [row] = rows;
  return formatPosition({ systemId, timeline: row?.timeline ?? 0, lsn: parseWalLocation(row?.lsn ?? "0/0") });
}

/**
 * Reads where a primary is, for who has just committed there; {@link readCommittedPlace} makes a position of it. What a
 * replica would have to be asked is left out: that alone takes longer than the rest.
 */
export const committedPlaceStatement: Statement = {
  name: "committed place",
  text: `select (${primaryLocationSql})::text as lsn, ${primaryTimelineSql} as timeline`,
};

/** @param result of {@link committedPlaceStatement} */
export function readCommittedPlace({ rows }: QueryResult, systemId: string): string {
  const [row] = rows as readonly { readonly lsn: string; readonly timeline: string }[];
  return `${systemId}-${Number.parseInt(row?.timeline ?? "0", 16)}-${row?.lsn ?? "0/0"}`;
}
