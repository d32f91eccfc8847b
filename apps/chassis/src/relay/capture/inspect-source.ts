import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { timeOfEventId } from "../../outbox/event-id.ts";
import type { CaptureState } from "../log/event-log.ts";
import type { Lsn } from "../replication/lsn.ts";
import { readSlot, type Slot } from "../replication/read-slot.ts";
import type { ReplicationSource } from "../replication/replication-source.ts";
import { repairReasons } from "./repair-reason.ts";
import { readSourceFacts, type SourceFacts } from "./source-facts.ts";

/** Whether the WAL alone brings everything that the log lacks, or the table has to be read. */
export type SourceVerdict = { readonly kind: "ok" } | RepairVerdict;

export interface RepairVerdict {
  readonly kind: "repair";
  /** One of {@link repairReasons}, with the server's word where it has one, or the reason of a repair begun before. */
  readonly reason: string;
  /** The log is older than what it has acknowledged: sequences may be given again. */
  readonly logWasRestored: boolean;
}

/** What an inspection found. */
export interface Inspection {
  readonly facts: SourceFacts;
  readonly verdict: SourceVerdict;
  /** `lost`: it can only be made anew. */
  readonly slot: "ok" | "missing" | "lost";
}

/** How long a row may stay invisible after its commit was streamed (seen: 4 ms; longer with synchronous replication). */
const visibleWithinMs = 500;
const lookAgainMs = 50;

/**
 * Compares an outbox, its slot and what the log knows of them. Changes nothing. To be done at each connect: a slot can be
 * dropped, invalidated or left behind by a promotion, and either database restored, while nobody is connected.
 *
 * @throws QuartetError `unavailable` in recovery; `failed_precondition` when the slot's name belongs to somebody else.
 */
export async function inspectSource(
  client: pg.Client,
  source: ReplicationSource,
  state: CaptureState,
): Promise<Inspection> {
  const facts = await readSourceFacts(client);
  const slot = await readSlot(client, source);
  const verdict = await judgeSource(client, { facts, slot, state });
  return { facts, verdict, slot: usability(slot, facts.walEnd) };
}

/** What a verdict is made of. */
export interface Evidence {
  /** Of the server, read after the state, or a capture that goes on meanwhile looks like a server that went back. */
  readonly facts: SourceFacts;
  /** Undefined: there is none. */
  readonly slot: Pick<Slot, "confirmed" | "lostReason"> | undefined;
  readonly state: CaptureState;
}

/** The verdict, for which the table is looked at where all else is well. */
export async function judgeSource(client: pg.Client, evidence: Evidence): Promise<SourceVerdict> {
  const reason = judge(evidence) ?? (await judgeTable(client, evidence.state));
  if (reason === undefined) return { kind: "ok" };
  return { kind: "repair", reason, logWasRestored: wasLogRestored(evidence) };
}

function judge(evidence: Evidence): string | undefined {
  const { facts, slot, state } = evidence;
  const { identity, repairDue, point, confirmed } = state;
  if (repairDue !== undefined) return repairDue;
  if (identity === undefined) return repairReasons.neverCaptured;
  if (identity.systemId !== facts.identity.systemId) return repairReasons.otherSystem;
  if (identity.timeline !== facts.identity.timeline) return repairReasons.promotion;
  if (facts.walEnd < confirmed || facts.walEnd < point.commitLsn) return repairReasons.rewound;
  if (slot === undefined) return repairReasons.slotMissing;
  if (slot.lostReason !== undefined) return `${repairReasons.slotInvalidated} (${slot.lostReason})`;
  return wasLogRestored(evidence) ? repairReasons.logRestored : undefined;
}

/**
 * What is acknowledged to the slot is stored in the log first, so the slot stands beyond the log only where the log went
 * back. Not while a repair is due: it may have made the slot.
 */
function wasLogRestored({ facts, slot, state }: Evidence): boolean {
  if (state.repairDue !== undefined || state.identity?.systemId !== facts.identity.systemId) return false;
  return slot?.confirmed !== undefined && slot.confirmed > state.confirmed;
}

/** A slot that was promised more WAL than there is would skip what is written next. */
function usability(slot: Slot | undefined, walEnd: Lsn): Inspection["slot"] {
  if (slot === undefined) return "missing";
  const beyond = slot.confirmed === undefined || slot.confirmed > walEnd;
  return slot.lostReason !== undefined || beyond ? "lost" : "ok";
}

/** A database that was restored to an older state and written to since looks right but for its rows. */
async function judgeTable(client: pg.Client, state: CaptureState): Promise<string | undefined> {
  const id = state.lastEventId;
  if (id === undefined) return undefined;
  for (const deadline = performance.now() + visibleWithinMs; ; await delay(lookAgainMs)) {
    const found = await client.query<{ there: boolean; dropped: boolean }>(lastEventSql, [id, monthOf(id)]);
    const [row] = found.rows;
    if (row === undefined || row.there || row.dropped) return undefined;
    if (performance.now() > deadline) return repairReasons.outboxRestored;
  }
}

/** Retention drops the outbox by whole months: an event of a month without a partition may be gone rightly. */
const lastEventSql = `select exists (select from quartet.outbox where id = $1) as there,
  to_regclass('quartet.outbox_' || $2) is null as dropped`;

/** The suffix of the partition that holds the event. */
function monthOf(eventId: string): string {
  return new Date(timeOfEventId(eventId)).toISOString().slice(0, 7).replace("-", "_");
}
