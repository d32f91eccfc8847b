import type { SqlClient } from "../../sql/sql-client.ts";
import type { RetentionSettings } from "./retention-settings.ts";

/** Up to where an outbox is in the log. */
export interface Captured {
  readonly confirmedLsn: string;
  readonly systemId: string;
  readonly timeline: number;
}

/**
 * Reads how far an outbox is in the log; undefined while that is not known for certain.
 *
 * @param client of the events database
 */
export async function readCaptured(client: SqlClient, source: string): Promise<Captured | undefined> {
  const result = await client.query<Captured>({
    text: `select confirmed_lsn::text as "confirmedLsn", system_id as "systemId", timeline
from quartet.event_log_capture where source = $1 and repair_due is null and system_id is not null`,
    values: [source],
  });
  return result.rows[0];
}

/** Makes the months of an outbox that are to come, and closes those that are to go. */
export async function prepareMonths(client: SqlClient, settings: RetentionSettings): Promise<void> {
  await client.query({ text: "select quartet.create_outbox_months()" });
  await client.query({
    text: "select quartet.close_outbox_months(make_interval(secs => $1))",
    values: [settings.outboxKeepSeconds],
  });
}

/** Drops a month of an outbox that is closed and wholly in the log. Returns its name, or undefined when there is none. */
export async function dropMonth(
  client: SqlClient,
  { confirmedLsn, systemId, timeline }: Captured,
): Promise<string | undefined> {
  const result = await client.query<{ month: string | null }>({
    text: "select quartet.drop_outbox_month($1, $2, $3) as month",
    values: [confirmedLsn, systemId, timeline],
  });
  return result.rows[0]?.month ?? undefined;
}
