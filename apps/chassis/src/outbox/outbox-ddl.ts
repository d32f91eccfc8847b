import { createMonthSql, type Month, monthsAround } from "../pbtable/history/month.ts";
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
    ...monthsAround(now).map(createPartitionSql),
  ];
}

/** The publication of the outbox's root, inserts alone: the log is made of what was appended. */
export const createOutboxPublicationSql =
  `create publication ${outboxPublication} for table quartet.outbox ` +
  "with (publish = 'insert', publish_via_partition_root = true)";

function createPartitionSql({ suffix, from, to }: Month): string {
  return createMonthSql("quartet.outbox", `quartet.outbox_${suffix}`, [
    quoteLiteral(smallestId(from)),
    quoteLiteral(smallestId(to)),
  ]);
}

/** The smallest UUID whose first 48 bits are the time in ms (RFC 9562, section 5.7). */
function smallestId(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
