import type { Pool } from "pg";
import { formatPosition, parseWalLocation } from "./position.ts";
import { locationSql, timelineSql } from "./server-state.ts";
import { systemIdOf } from "./system-id.ts";

const takeSql = `select (${locationSql})::text as lsn, ${timelineSql} as timeline`;

/**
 * The position now. Call it after COMMIT: a location inside the commit record is passed too early.
 * On a replica it is the location replayed so far.
 */
export async function takePosition(pool: Pool): Promise<string> {
  const systemId = await systemIdOf(pool);
  const result = await pool.query<{ lsn: string | null; timeline: number | null }>({
    name: "take position",
    text: takeSql,
  });
  const [row] = result.rows;
  return formatPosition({ systemId, timeline: row?.timeline ?? 0, lsn: parseWalLocation(row?.lsn ?? "0/0") });
}
