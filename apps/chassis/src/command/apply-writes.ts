import type { DescMessage, Message, MessageInitShape, Registry } from "@bufbuild/protobuf";
import type { Kysely } from "kysely";
import { QuartetError } from "../error/quartet-error.ts";
import { appendStatement } from "../outbox/append-events.ts";
import { deriveEventId } from "../outbox/event-id.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import type { PublishOptions } from "../outbox/publish-options.ts";
import { createTransactionKysely } from "../pbtable/kysely.ts";
import type { TableTypes } from "../pbtable/table-types.ts";
import { TableWriter } from "../pbtable/table-writer.ts";
import { aggregateTypeOf } from "../schema/event.ts";
import { encodeJson } from "../schema/json/json.ts";
import { printStorable } from "../schema/json/storable-json.ts";
import { tableOf } from "../schema/table/table.ts";
import { type DecidedEvent, type DecidedWrite, decideEvent } from "../service/decision.ts";
import type { Domain } from "../service/domain.ts";
import type { Write, WriteContext } from "../service/write.ts";
import type { TransactionClient } from "../sql/open-transaction.ts";
import { NotedWriter, type OwnRows } from "./noted-writer.ts";
import { footprintOf, type WriteFootprint } from "./write-footprint.ts";

/** What causes writes and events: ids are derived from it. */
export interface Cause {
  /** UUIDv7 of the event, or of this very execution, that causes them. */
  readonly causeId: string;
  /** Orders events that name no key. Empty for reactions: then the cause orders them. */
  readonly operationId: string;
  /** Who asked. Undefined for reactions, and where the operation says it. */
  readonly principal?: string | undefined;
  readonly acceptTime: Date;
  /** The version that the client's `If-Match` names. */
  readonly expectedVersion?: bigint | undefined;
  readonly traceparent: string | undefined;
}

/** What a decision wants done. */
export interface DecidedEffects {
  readonly writes: readonly DecidedWrite[];
  readonly events: readonly DecidedEvent[];
  /** Ids of the events, by place among them. Left away: derived of the cause. */
  readonly eventIdOf?: ((ordinal: number) => string) | undefined;
  /** Hears of what is published, once it is. */
  readonly noteEvents?: (events: readonly OutboxEvent[]) => void;
}

/**
 * Runs all writes of a decision in the caller's transaction, in order, then publishes what they and the decision
 * publish, in one statement that goes with what is sent next.
 *
 * @param rows is told which rows the writes have made and unmade
 * @returns the results of the writes, in order.
 */
export async function applyWrites(
  client: TransactionClient,
  domain: Domain,
  cause: Cause,
  decided: DecidedEffects,
  rows?: OwnRows,
): Promise<readonly Message[]> {
  const tx = new Transaction(client, domain.registry, cause, rows);
  const results: Message[] = [];
  for (const { desc, input } of decided.writes) {
    const write = requireWrite(domain, desc);
    tx.footprint = footprintOf(write);
    results.push(await write.run(tx, input as never));
    tx.footprint.known = true;
  }
  if (cause.expectedVersion !== undefined && !tx.askedForVersion) throw ifMatchIgnored();
  const all = [...tx.published, ...decided.events];
  const events = sealEvents(all, cause, domain.registry, decided.eventIdOf);
  if (events.length > 0) client.defer(appendStatement(events));
  decided.noteEvents?.(events);
  return results;
}

function requireWrite(domain: Domain, desc: DescMessage): Write {
  const write = domain.writes.get(desc.typeName);
  if (write !== undefined) return write;
  throw new QuartetError("unimplemented", `No write of this domain takes a ${desc.typeName}.`, {
    fix: "List it in the writes of quartet.config.ts.",
  });
}

/**
 * Gives decided events their derived ids, keys and canonical payloads.
 *
 * @param idOf by place among them; by default derived of the cause
 */
export function sealEvents(
  events: readonly DecidedEvent[],
  cause: Cause,
  registry: Registry,
  idOf: (ordinal: number) => string = (ordinal) => deriveEventId(cause.causeId, `event/${ordinal}`),
): OutboxEvent[] {
  return events.map(({ desc, event, key, deliverAfter }, index) => ({
    id: idOf(index),
    aggregateType: aggregateTypeOf(desc),
    aggregateId: key ?? (cause.operationId || cause.causeId),
    type: desc.typeName,
    payload: printStorable(encodeJson(desc, event as never, registry)),
    causationId: cause.causeId,
    correlationId: cause.operationId || undefined,
    traceparent: cause.traceparent,
    deliverAfter,
  }));
}

/** Whoever sends a condition that nobody checks believes to be safe, and is not. */
function ifMatchIgnored(): QuartetError {
  return new QuartetError("invalid_argument", "This method does not take If-Match.", {
    field: "If-Match",
    fix: "Send the request without it; or let the method's write give tx.expectedVersion to the row's update.",
  });
}

class Transaction implements WriteContext {
  readonly published: DecidedEvent[] = [];
  readonly operationId: string;
  readonly acceptTime: Date;
  askedForVersion = false;
  /** Of the write that runs. */
  footprint: WriteFootprint | undefined;
  readonly #rows: OwnRows | undefined;
  readonly #expectedVersion: bigint | undefined;
  readonly #client: TransactionClient;
  readonly #registry: Registry;
  #db: Kysely<TableTypes> | undefined;

  constructor(client: TransactionClient, registry: Registry, cause: Cause, rows: OwnRows | undefined) {
    this.#rows = rows;
    this.#client = client;
    this.#registry = registry;
    this.operationId = cause.operationId || cause.causeId;
    this.acceptTime = cause.acceptTime;
    this.#expectedVersion = cause.expectedVersion;
  }

  get expectedVersion(): bigint | undefined {
    this.askedForVersion = true;
    return this.#expectedVersion;
  }

  get db(): Kysely<TableTypes> {
    if (this.footprint !== undefined) this.footprint.usedSql = true;
    this.#db ??= createTransactionKysely(this.#client);
    return this.#db;
  }

  table<D extends DescMessage>(message: D): TableWriter<D> {
    const table = tableOf(message);
    this.footprint?.tables.add(table);
    return this.#rows === undefined
      ? new TableWriter<D>(table, this.#client, this.#registry)
      : new NotedWriter<D>(table, this.#client, this.#registry, this.#rows);
  }

  publish<D extends DescMessage>(event: D, init: MessageInitShape<D>, options?: PublishOptions): void {
    this.published.push(decideEvent(event, init, options));
  }
}
