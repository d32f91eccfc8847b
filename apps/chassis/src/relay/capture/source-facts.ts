import type pg from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import type { SourceIdentity } from "../log/event-log.ts";
import { type Lsn, parseLsn } from "../replication/lsn.ts";

/** Who a server is and how far it has written. */
export interface SourceFacts {
  readonly identity: SourceIdentity;
  /** Where the next WAL record begins: every commit that anybody has seen ends before. */
  readonly walEnd: Lsn;
}

/**
 * Reads them from a primary.
 *
 * @throws QuartetError `unavailable` for a server in recovery: it is about to be promoted, or the URL is a replica's.
 */
export async function readSourceFacts(client: pg.Client): Promise<SourceFacts> {
  const result = await client.query<FactsRow>(factsSql);
  const [row] = result.rows;
  if (row === undefined) throw new QuartetError("internal", "A server did not tell who it is.");
  const { systemId, timeline, walEnd } = row;
  if (timeline === null || walEnd === null) {
    throw new QuartetError("unavailable", "The outbox' server is in recovery: it takes no writes.", {
      fix: "Give the relay the primary's URL, or wait until this server is promoted.",
    });
  }
  return { identity: { systemId, timeline }, walEnd: parseLsn(walEnd) };
}

interface FactsRow {
  readonly systemId: string;
  /** Null in recovery, as is the end. */
  readonly timeline: number | null;
  readonly walEnd: string | null;
}

// The control file still names the old timeline for a while after a promotion; the name of the WAL file does not.
const factsSql = `select (select system_identifier::text from pg_control_system()) as "systemId",
  ('x' || substr(pg_walfile_name(wal_end), 1, 8))::bit(32)::int as timeline, wal_end::text as "walEnd"
from (select case when not pg_is_in_recovery() then pg_current_wal_insert_lsn() end as wal_end) as now`;
