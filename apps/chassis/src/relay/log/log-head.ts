import type { SqlClient } from "../../sql/sql-client.ts";
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
  #epoch: number | undefined;
  #following: Promise<void> | undefined;

  constructor(client: SqlClient) {
    this.#client = client;
  }

  /** The greatest sequence that this process knows of; undefined before the first look. */
  get seq(): bigint | undefined {
    return this.#seq;
  }

  /** The log's epoch, as it was seen last. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  onMove(listener: () => void): () => void {
    // Of its own, so that a function that is given twice listens twice.
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Events that this process appended. What is known in their places is lost: the database has failed over. */
  added(events: readonly LogEvent[], seq: bigint): void {
    const [first] = events;
    const known = first && this.tail.find(first.seq);
    if (known !== undefined && known.eventId !== first?.eventId) this.movedBack(known.seq - 1n, known.epoch);
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

  /** The log is in this epoch: when it was in another before, sequences may have been given again. */
  seen(seq: bigint, epoch: number): void {
    const other = this.#epoch !== undefined && this.#epoch !== epoch;
    this.#epoch = epoch;
    if (other) this.movedBack(seq, epoch);
    else this.movedTo(seq);
  }

  /** The database was restored from a backup, or lost its end in a failover: what was known is no more. */
  movedBack(seq: bigint, epoch: number): void {
    this.tail.clear();
    this.#seq = seq;
    this.#epoch = epoch;
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
