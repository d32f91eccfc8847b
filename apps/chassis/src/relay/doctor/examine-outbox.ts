import type { Client } from "pg";
import type { Finding } from "./finding.ts";

/** Examines the partitions of a database's outbox. Only reads. */
export async function examineOutbox(client: Client, part: string): Promise<readonly Finding[]> {
  const { rows } = await client.query<PartitionFacts>(partitionsSql);
  const [facts] = rows;
  if (facts === undefined) throw new TypeError("an aggregate without a row");
  const findings: Finding[] = [];
  if (!facts.coming) {
    findings.push({
      level: "warning",
      part,
      what: "the outbox has no partition for the coming month: its events will land in the default partition",
      fix: "quartet apply, or let a relay run: it makes partitions ahead",
    });
  }
  if (facts.stray) {
    findings.push({
      level: "warning",
      part,
      what: "the outbox' default partition has rows: they are delivered, and retention does not drop them",
      fix: "Look at clocks: ids carry the time of the process that published.",
    });
  }
  if (findings.length > 0) return findings;
  return [{ level: "ok", part, what: `outbox: ${facts.partitions} monthly partitions, ${facts.bytes}` }];
}

interface PartitionFacts {
  readonly coming: boolean;
  readonly stray: boolean;
  readonly partitions: number;
  readonly bytes: string;
}

const partitionsSql = `select
  to_regclass('quartet.outbox_' || to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY_MM')) is not null as coming,
  pg_relation_size('quartet.outbox_default') > 0 as stray,
  (select count(*)::int - 1 from pg_inherits where inhparent = 'quartet.outbox'::regclass) as partitions,
  (select pg_size_pretty(sum(pg_total_relation_size(inhrelid))) from pg_inherits
    where inhparent = 'quartet.outbox'::regclass) as bytes`;
