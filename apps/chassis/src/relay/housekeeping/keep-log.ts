import type { SqlClient } from "../../sql/sql-client.ts";
import type { RetentionSettings } from "./retention-settings.ts";

/** Begins the next segment of the log when the newest is full. Returns its number, or undefined. */
export async function rotateLog(client: SqlClient, settings: RetentionSettings): Promise<number | undefined> {
  const result = await client.query<{ segment: number | null }>({
    text: "select quartet.rotate_event_log($1, make_interval(secs => $2)) as segment",
    values: [settings.segmentEvents, settings.segmentSeconds],
  });
  return result.rows[0]?.segment ?? undefined;
}

/** Drops the oldest segment of the log when it is time. Returns its number, or undefined when there is none to drop. */
export async function dropSegment(
  client: SqlClient,
  settings: RetentionSettings,
): Promise<number | undefined> {
  const result = await client.query<{ segment: number | null }>({
    text: `select quartet.drop_event_log_segment(make_interval(secs => $1), make_interval(secs => $2)) as segment`,
    values: [settings.logKeepSeconds, settings.logHoldSeconds],
  });
  return result.rows[0]?.segment ?? undefined;
}

/** How old the oldest event of the log may be, in seconds. */
export async function readLogAge(client: SqlClient): Promise<number> {
  const result = await client.query<{ seconds: number }>({
    text: `select extract(epoch from now() - min(opened_at))::float8 as seconds from quartet.event_log_segment
where segment < (select segment from quartet.event_log_head)`,
  });
  return result.rows[0]?.seconds ?? 0;
}
