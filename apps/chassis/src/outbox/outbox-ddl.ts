import { quoteLiteral } from "../schema/identifier.ts";

/** Name of the publication that carries the outbox, in every database that has one. */
export const outboxPublication = "quartet_outbox";

/**
 * The outbox: Debezium's columns unchanged (event router, "basic outbox table"), then ours. Append-only.
 *
 * `place` is the order of publishing, for whoever reads the table instead of the WAL.
 *
 * Partitioned by month through the time in its UUIDv7 id. Rows outside every month land in the default partition, so
 * that a publish never fails for want of one.
 */
export function outboxSql(now: Date): readonly string[] {
  return [
    `create table if not exists quartet.outbox (
  id uuid not null primary key,
  aggregatetype varchar(255) not null,
  aggregateid varchar(255) not null,
  type varchar(255) not null,
  payload jsonb not null,
  causationid text,
  correlationid text,
  traceparent text,
  deliver_after timestamptz,
  place bigint generated always as identity
) partition by range (id)`,
    "create table if not exists quartet.outbox_default partition of quartet.outbox default",
    ...monthsAround(now).map(createMonthSql),
  ];
}

/** The publication of the outbox's root, inserts alone: the log is made of what was appended. */
export const createOutboxPublicationSql =
  `create publication ${outboxPublication} for table quartet.outbox ` +
  "with (publish = 'insert', publish_via_partition_root = true)";

interface Month {
  readonly name: string;
  readonly from: Date;
  readonly to: Date;
}

/** Last month (late clocks) to a year ahead: `apply` runs with every deployment. */
function monthsAround(now: Date): Month[] {
  return Array.from({ length: 14 }, (_, index) => {
    const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + index - 1, 1));
    const to = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + index, 1));
    return { name: `outbox_${from.toISOString().slice(0, 7).replace("-", "_")}`, from, to };
  });
}

function createMonthSql(month: Month): string {
  const bounds = `from (${quoteLiteral(smallestId(month.from))}) to (${quoteLiteral(smallestId(month.to))})`;
  const create = `create table if not exists quartet.${month.name} partition of quartet.outbox for values ${bounds}`;
  // A month that came before its partition has its rows in the default one already, and stays there.
  return `do $$ begin ${create}; exception when check_violation then null; end $$`;
}

/** The smallest UUID whose first 48 bits are the time in ms (RFC 9562, section 5.7). */
function smallestId(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
