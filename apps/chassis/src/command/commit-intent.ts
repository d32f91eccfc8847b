import type { Message } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import type { ReadPrecondition } from "../gen/quartet/v1/intent_pb.ts";
import type { OperationDecision, OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { systemIdOf } from "../position/system-id.ts";
import { committedPlaceStatement, readCommittedPlace } from "../position/take-position.ts";
import type { Table } from "../schema/table/table.ts";
import type { DecidedEvent, DecidedWrite } from "../service/decision.ts";
import type { Domain } from "../service/domain.ts";
import type { TransactionClient } from "../sql/open-transaction.ts";
import { type Attribution, runCommit } from "../sql/run-commit.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import type { Answer } from "./answer.ts";
import { applyWrites, type Cause, type DecidedEffects } from "./apply-writes.ts";
import { absencesAmong, findConflict, lockNames, nameOfRow } from "./check-preconditions.ts";
import { keepAnswer } from "./kept-answer.ts";
import { OwnRows } from "./noted-writer.ts";
import { OperationWriter } from "./operation-writer.ts";
import { claimOperation, commitOperation, type OperationHead } from "./operations.ts";
import { type Runtime, requireMain, requireWriter } from "./runtime.ts";
import { mayChange } from "./write-footprint.ts";

/** What is to be committed in one transaction of the crud class. */
export interface Commit {
  readonly cause: Cause;
  readonly writes: readonly DecidedWrite[];
  readonly events: readonly DecidedEvent[];
  /** The operation this ends; undefined when nobody will ask for it. */
  readonly head: OperationHead | undefined;
  /** Inbox entries that must all be new for the effects to happen. */
  readonly claims: readonly InboxClaim[];
  /** Ids of its events, by place among them. Left away: derived of the cause. */
  readonly eventIdOf?: ((ordinal: number) => string) | undefined;
  /** What the decision rests on. Left away: nothing. */
  readonly preconditions?: readonly ReadPrecondition[];
  /** Epoch ms, of who waits for it: not begun later. Left away for what was accepted: it is committed whenever. */
  readonly deadlineMs?: number;
  /** Whether somebody waits who is told a position that shows the effects. */
  readonly wantsPosition?: boolean;
  /** Who decided, for the operation's fate. */
  readonly decided?: OperationDecision | undefined;
  answerOf(results: readonly Message[]): Message | undefined;
}

export interface InboxClaim {
  readonly consumer: string;
  readonly eventId: string;
}

/** What the transaction did. */
export type CommitResult =
  | {
      readonly kind: "committed";
      readonly answer: Answer | undefined;
      /** One that shows the effects, where it was wanted. */
      readonly position?: string;
    }
  /** An event that had its effect before. */
  | { readonly kind: "duplicate" }
  /** An operation that ended before. */
  | { readonly kind: "ended"; readonly record: OperationRecord }
  /** What the decision rests on has changed: nothing was done. */
  | { readonly kind: "conflict"; readonly conflict: ReadPrecondition };

/**
 * Commits a decision: inbox claims, operation, writes and events in one transaction of the primary. Done twice, it
 * has its effects once. A decision whose reads do not hold any more has none.
 *
 * @throws QuartetError what a write threw, after the transaction was undone.
 */
export async function commitIntent(runtime: Runtime, commit: Commit): Promise<CommitResult> {
  try {
    const pool = requireWriter(runtime);
    const { value, after } = await runCommit(pool, (client) => commitInside(client, runtime, commit), {
      attribution: runtime.domain.recordsChanges ? attributionOf(commit) : undefined,
      deadlineMs: commit.deadlineMs,
      after: commit.wantsPosition ? committedPlaceStatement : undefined,
    });
    if (value.kind !== "committed" || after === undefined) return value;
    // Committed already: a lost connection now must not turn the answer into an error.
    const systemId = await systemIdOf(pool).catch(() => undefined);
    return systemId === undefined ? value : { ...value, position: readCommittedPlace(after, systemId) };
  } catch (error) {
    const conflict =
      error instanceof Conflict ? error.precondition : await findReason(runtime, commit, error);
    if (conflict !== undefined) return { kind: "conflict", conflict };
    throw translateDatabaseError(error);
  }
}

/** Undoes the transaction that found it. */
class Conflict extends Error {
  readonly precondition: ReadPrecondition;

  constructor(precondition: ReadPrecondition) {
    super(`${nameOfRow(precondition)} has changed`);
    this.precondition = precondition;
  }
}

/**
 * A write may be refused for the very reason that the decision rests on what was not so: it inserts a row that the
 * decision found absent, and another was faster. Rows were locked, so that can be absences alone.
 */
async function findReason(
  runtime: Runtime,
  { preconditions = [] }: Commit,
  error: unknown,
): Promise<ReadPrecondition | undefined> {
  const absences = absencesAmong(preconditions);
  if (absences.length === 0 || !(error instanceof QuartetError) || error.retry) return undefined;
  return findConflict(requireMain(runtime).pool, runtime.domain, absences, () => "none");
}

/** Whose changes the transaction makes, as histories record it; where there are none, nobody is to be told. */
function attributionOf({ cause, head }: Commit): Attribution {
  return {
    principal: cause.principal ?? head?.principal ?? "",
    operationId: cause.operationId || cause.causeId,
  };
}

async function commitInside(
  client: TransactionClient,
  runtime: Runtime,
  commit: Commit,
): Promise<CommitResult> {
  const { registry } = runtime.domain;
  for (const { consumer, eventId } of commit.claims) {
    if (!(await claimEvent(client, consumer, eventId))) return { kind: "duplicate" };
  }
  const operations = new OperationWriter(client, registry);
  if (commit.head !== undefined) {
    const claim = await claimOperation(operations, commit.head);
    if (claim.kind === "ended") return claim;
  }
  const published: OutboxEvent[] = [];
  const noteEvents = (events: readonly OutboxEvent[]) => void published.push(...events);
  const results = await applyIfUnchanged(client, runtime.domain, { ...commit, noteEvents });
  const message = commit.answerOf(results);
  if (commit.head === undefined) return { kind: "committed", answer: message };
  const answer = message && keepAnswer(message, registry);
  const ending = { answer, decision: commit.decided, events: published };
  await commitOperation(operations, commit.head.operationId, ending, registry);
  return { kind: "committed", answer };
}

/** The writes between two looks at what the decision rests on; see {@link findConflict}. */
async function applyIfUnchanged(
  client: TransactionClient,
  domain: Domain,
  commit: Commit & DecidedEffects,
): Promise<readonly Message[]> {
  const { preconditions = [] } = commit;
  if (preconditions.length === 0) return applyWrites(client, domain, commit.cause, commit);
  const writes = commit.writes.map(({ desc }) => domain.writes.get(desc.typeName));
  const lockOf = (table: Table) => (mayChange(writes, table) ? "change" : "share");
  throwConflict(await findConflict(client, domain, preconditions, lockOf));
  const absences = absencesAmong(preconditions);
  if (absences.length === 0) return applyWrites(client, domain, commit.cause, commit);
  const rows = new OwnRows();
  const results = await applyWrites(client, domain, commit.cause, commit, rows);
  throwConflict(absences.find((absence) => rows.deleted.has(nameOfRow(absence))));
  await lockNames(client, [...absences, ...rows.inserted.values()]);
  // What this transaction has inserted itself was absent until then: its unique index says so.
  const others = absences.filter((absence) => !rows.inserted.has(nameOfRow(absence)));
  throwConflict(await findConflict(client, domain, others, () => "none"));
  return results;
}

function throwConflict(conflict: ReadPrecondition | undefined): void {
  if (conflict !== undefined) throw new Conflict(conflict);
}
