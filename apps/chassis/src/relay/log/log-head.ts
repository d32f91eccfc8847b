import type { SqlClient } from "../../pbtable/sql-client.ts";
import type { LogEvent } from "./log-event.ts";
import { LogTail } from "./log-tail.ts";
import { readTable } from "./read-log.ts";

/** A process that is so far behind the log's end does not follow it: its readers read the table. */
const maxFollowedEvents = 10_000n;
const followPageEvents = 2_000;

/**
 * What this process knows of the log's end: the head, the newest events, and who wants to be told when it moves.
 *
 * What other processes appended is read once for all readers, before they are told.
 */
export class LogHead {
  readonly tail = new LogTail();
  readonly #client: SqlClient;
  readonly #listeners = new Set<() => void>();
  #seq: bigint | undefined;
  #following: Promise<void> | undefined;

  constructor(client: SqlClient) {
    this.#client = client;
  }

  /** The greatest sequence that this process knows of; undefined before the first look. */
  get seq(): bigint | undefined {
    return this.#seq;
  }

  onMove(listener: () => void): () => void {
    // Of its own, so that a function that is given twice listens twice.
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Events that this process appended. */
  added(events: readonly LogEvent[], seq: bigint): void {
    this.tail.add(events);
    this.movedTo(seq);
  }

  /** Somebody appended up to here. */
  movedTo(seq: bigint): void {
    const known = this.#seq;
    if (known !== undefined && seq <= known) return;
    this.#seq = seq;
    if (this.#listeners.size === 0) return;
    if (this.#gap(known) === undefined) this.wake();
    else this.#follow(known).finally(() => this.wake());
  }

  /** The database was restored from a backup: what was known is no more. */
  movedBack(seq: bigint): void {
    this.tail.clear();
    this.#seq = seq;
    this.wake();
  }

  wake(): void {
    for (const listener of this.#listeners) listener();
  }

  #gap(known: bigint | undefined): { readonly after: bigint; readonly upTo: bigint } | undefined {
    const head = this.#seq;
    if (head === undefined) return undefined;
    if (!this.tail.isEmpty) return this.tail.gapTo(head);
    return known === undefined || known === head ? undefined : { after: known, upTo: head };
  }

  /** One at a time; a second call waits for the first, which goes on until there is no gap. */
  #follow(known: bigint | undefined): Promise<void> {
    this.#following ??= this.#fill(known)
      .catch(() => undefined)
      .finally(() => {
        this.#following = undefined;
      });
    return this.#following;
  }

  async #fill(known: bigint | undefined): Promise<void> {
    let from = -1n;
    // An event that is too large for the tail leaves its gap as it was.
    for (let gap = this.#gap(known); gap !== undefined && gap.after > from; gap = this.#gap(known)) {
      if (gap.upTo - gap.after > maxFollowedEvents) {
        if (this.tail.isEmpty) return;
        this.tail.dropBeforeGap();
        continue;
      }
      from = gap.after;
      const page = await readTable(this.#client, {
        ...gap,
        types: [],
        typePrefixes: [],
        limit: followPageEvents,
      });
      if (page.events.length === 0) return;
      this.tail.add(page.events);
    }
  }
}
