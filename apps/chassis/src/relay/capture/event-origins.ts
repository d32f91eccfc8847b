import { formatPosition } from "../../position/position.ts";
import type { Lsn } from "../replication/lsn.ts";
import { withSourceClient } from "../replication/source-client.ts";
import type { TransactionPart } from "../replication/transaction-part.ts";
import type { RowOrigin } from "./captured-event.ts";
import { type OutboxSource, replicationOf } from "./outbox-source.ts";
import { readSourceFacts } from "./source-facts.ts";

/**
 * Where the events of a stream come from, and the position they carry: whoever reads at or past it sees what their
 * transaction wrote. Events of a dedicated events database have none, as there is nothing else to be read there.
 */
export class EventOrigins {
  readonly #source: OutboxSource;
  readonly #history: { readonly systemId: string; readonly timeline: number };
  /** Of transactions that come in parts: the last one that was asked for. */
  #large: { readonly commitLsn: Lsn; readonly position: string } | undefined;

  constructor(source: OutboxSource, stream: { readonly systemId: string; readonly timeline: number }) {
    this.#source = source;
    this.#history = { systemId: stream.systemId, timeline: stream.timeline };
  }

  /** The origins of parts, in their order. Asks the server once per transaction that comes in parts. */
  async of(parts: readonly TransactionPart[]): Promise<ReadonlyMap<TransactionPart, RowOrigin>> {
    const origins = new Map<TransactionPart, RowOrigin>();
    const { name: source } = this.#source;
    for (const part of parts) {
      const found = source === "main" ? this.#positionOf(part) : undefined;
      const position = typeof found === "object" ? await found : found; // a microtask for each part costs
      origins.set(part, { source, committedAt: part.commitTime, position });
    }
    return origins;
  }

  /** The end of the commit. Parts that more follow do not tell it; the end of the WAL is beyond whatever is streamed. */
  #positionOf(part: TransactionPart): string | Promise<string> {
    if (part.commitEndLsn !== undefined && part.firstRow === 0) return this.#format(part.commitEndLsn);
    return this.#large?.commitLsn === part.commitLsn ? this.#large.position : this.#ask(part.commitLsn);
  }

  async #ask(commitLsn: Lsn): Promise<string> {
    const { walEnd } = await withSourceClient(replicationOf(this.#source), readSourceFacts);
    this.#large = { commitLsn, position: this.#format(walEnd) };
    return this.#large.position;
  }

  #format(lsn: Lsn): string {
    return formatPosition({ ...this.#history, lsn });
  }
}
