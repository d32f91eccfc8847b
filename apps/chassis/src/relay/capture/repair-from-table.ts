import type pg from "pg";
import type { Logger } from "pino";
import { QuartetError } from "../../error/quartet-error.ts";
import { timeOfEventId } from "../../outbox/event-id.ts";
import { formatPosition } from "../../position/position.ts";
import type { CaptureState, EventLog, RepairEnd, SourceFence } from "../log/event-log.ts";
import type { CapturedEvent } from "../log/log-event.ts";
import { withSourceClient } from "../replication/source-client.ts";
import { awaitWriters } from "./await-writers.ts";
import type { CaptureStopPoints } from "./capture-stop-points.ts";
import { type OutboxRow, toCapturedEvent } from "./captured-event.ts";
import { type OutboxSource, replicationOf } from "./outbox-source.ts";
import { findRepairHorizon } from "./repair-horizon.ts";
import { readSourceFacts, type SourceFacts } from "./source-facts.ts";

const pageRows = 500;
const progressMs = 10_000;
const writersTimeoutMs = 60_000;

/** What a repair works on and with. */
export interface RepairParts {
  readonly source: OutboxSource;
  readonly log: EventLog;
  readonly fence: SourceFence;
  /** Of before the repair. */
  readonly state: CaptureState;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly stopPoints: CaptureStopPoints;
}

/**
 * Appends to the log whatever of an outbox table it lacks, in publishing order. Call it once the slot exists, and end the
 * repair with what it returns. Memory: a page of 500 rows. Killed anywhere, it is begun again and finds less to do.
 *
 * Three positions, s ≤ c ≤ r, make table and WAL meet without a gap:
 * - s, where the slot begins;
 * - c (`confirmed`), the end of the WAL before the wait for older writers: all that committed before is in the snapshot;
 * - r (`repairedTo`), the end of the WAL after the snapshot was taken: all that is in the snapshot committed before.
 * What commits after c comes by the slot; up to r it may have come by the table too, so its id is looked up.
 *
 * @throws QuartetError `lease_lost`; `canceled` when the signal aborts; `unavailable` when a writer stays open for a minute.
 */
export async function repairFromTable(parts: RepairParts): Promise<RepairEnd> {
  const { source, signal } = parts;
  try {
    return await withSourceClient(replicationOf(source), (client) => repair(parts, client), {
      signal,
      statementTimeoutMs: 0, // the sort of a large outbox
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new QuartetError("canceled", "The relay stopped while it repaired its log.", { cause: error });
  }
}

async function repair(parts: RepairParts, client: pg.Client): Promise<RepairEnd> {
  await client.query("set idle_in_transaction_session_timeout to 0");
  const before = await readSourceFacts(client);
  await awaitWriters(client, writersTimeoutMs);
  const horizon = await findRepairHorizon(client, parts.log, parts.source.name, parts.state);
  await client.query("begin isolation level repeatable read read only");
  await client.query(declareSql, [(horizon ?? 0n).toString()]); // the snapshot is taken here
  const after = await readSourceFacts(client);
  if (!isSame(before, after))
    throw new QuartetError("unavailable", "The outbox' server was replaced meanwhile.");
  const count = await appendPages(parts, client, after);
  return { identity: after.identity, confirmed: before.walEnd, repairedTo: after.walEnd, count };
}

/** Publishing order: an effect is published after its cause was committed, so its place is the greater one. */
const declareSql = `declare missing no scroll cursor for
select id::text, aggregateid, type, payload::text as payload, causationid, correlationid, traceparent,
  deliver_after::text as deliver_after
from quartet.outbox where place >= $1::bigint order by place`;

async function appendPages(parts: RepairParts, client: pg.Client, facts: SourceFacts): Promise<number> {
  const { log, fence, logger, source, signal } = parts;
  const toEvent = eventReader(source, facts);
  let [read, missing, reportAt] = [0, 0, performance.now() + progressMs];
  for (;;) {
    const page = await client.query<OutboxRow>(`fetch ${pageRows} from missing`);
    if (page.rows.length === 0) return missing;
    missing += await log.appendMissing(fence, page.rows.map(toEvent));
    read += page.rows.length;
    await parts.stopPoints.pageRepaired?.();
    signal.throwIfAborted();
    if (performance.now() < reportAt) continue;
    logger.info({ read, missing }, `repairing ${source.name} from its outbox table`);
    reportAt = performance.now() + progressMs;
  }
}

/**
 * A row does not tell when it was committed: an id has the time of its first cause, so the greatest so far, never one
 * that is to come, is nearest.
 */
function eventReader(source: OutboxSource, facts: SourceFacts): (row: OutboxRow) => CapturedEvent {
  const { systemId, timeline } = facts.identity;
  const position =
    source.name === "main" ? formatPosition({ systemId, timeline, lsn: facts.walEnd }) : undefined;
  const now = Date.now();
  let latest = 0;
  return (row) => {
    latest = Math.min(now, Math.max(latest, timeOfEventId(row["id"] ?? "")));
    return toCapturedEvent(row, { source: source.name, committedAt: new Date(latest), position });
  };
}

function isSame(a: SourceFacts, b: SourceFacts): boolean {
  return a.identity.systemId === b.identity.systemId && a.identity.timeline === b.identity.timeline;
}
