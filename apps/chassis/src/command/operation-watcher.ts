import type { Registry } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import type { OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { OperationLookup } from "./operation-lookup.ts";
import { operationReader } from "./operations.ts";
import { RunningCommands } from "./running-commands.ts";

interface Waiter {
  /** An operation that has not ended is told too. */
  readonly any: boolean;
  readonly resolve: (record: OperationRecord | undefined) => void;
  readonly reject: (error: unknown) => void;
}

interface WatchedRow {
  readonly operation_id: string;
  readonly pb: unknown;
  readonly ended: boolean;
}

/** Pause between two queries while operations end or somebody has just begun to wait. */
const shortestPauseMs = 5;
/** Pause that it grows to while nothing happens: what thousands who wait for long cost, and by how much they hear late. */
const longestPauseMs = 50;
const pauseGrowth = 1.25;
const faultPauseMs = 100;

/**
 * Of the ids in the first list those that have ended; of those in the second whatever is there. One by one, as in
 * `manyKeysSql`.
 */
const watchStatement = {
  name: "watched operations",
  text: `select watched.* from unnest($1::text[]) as asked (id) cross join lateral (
  select operation_id, pb, pb->>'state' in ('OPERATION_STATE_COMMITTED', 'OPERATION_STATE_FAILED') as ended
  from quartet.operation where operation_id = asked.id limit 1
) as watched where ended or operation_id = any($2::text[])`,
};

/**
 * Watches operations as this process' database shows them. However many requests wait, one query per tick asks for all
 * of them and brings what it found; none asks while nobody waits. A waiter costs some hundred bytes, and no connection.
 *
 * Ticks: the next query comes 5 ms after the last one while operations end, or somebody has begun to wait; each query that
 * finds nothing makes the pause a quarter longer, up to 50 ms. Who begins to wait ends a longer pause.
 */
export class OperationWatcher {
  /** What runs in this process, which need not be looked for in the database. */
  readonly running = new RunningCommands();
  /** What the database shows at this moment. */
  readonly lookup: OperationLookup;
  readonly #pool: Pool;
  readonly #registry: Registry;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #polling: Promise<void> | undefined;
  #pauseMs = shortestPauseMs;
  #wake: () => void = () => undefined;

  constructor(pool: Pool, registry: Registry) {
    this.#pool = pool;
    this.#registry = registry;
    this.lookup = new OperationLookup(pool, registry);
  }

  /** How many operations requests wait for. */
  get awaited(): number {
    return this.#waiters.size;
  }

  /** The ended operation, or undefined when it has not ended by `deadlineMs` (epoch) or `signal` aborts. */
  async wait(
    operationId: string,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<OperationRecord | undefined> {
    return this.#watch(operationId, false, deadlineMs, signal);
  }

  /**
   * The operation as it is now, or undefined when there is none to be seen by `deadlineMs` (epoch): with all others that
   * are asked for at the time, by one query.
   *
   * @throws what that query throws
   */
  async look(
    operationId: string,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<OperationRecord | undefined> {
    return this.#watch(operationId, true, deadlineMs, signal);
  }

  async #watch(
    operationId: string,
    any: boolean,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<OperationRecord | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<OperationRecord | undefined>();
    const waiters = this.#waiters.get(operationId) ?? new Set();
    const waiter: Waiter = { any, resolve, reject };
    this.#waiters.set(operationId, waiters.add(waiter));
    const giveUp = () => resolve(undefined);
    const timer = setTimeout(giveUp, Math.max(0, deadlineMs - Date.now()));
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    this.#hurry();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      waiters.delete(waiter);
      if (waiters.size === 0) this.#waiters.delete(operationId);
    }
  }

  #hurry(): void {
    const asleep = this.#pauseMs > shortestPauseMs;
    this.#pauseMs = shortestPauseMs;
    if (asleep) this.#wake();
    this.#polling ??= this.#poll();
  }

  async #poll(): Promise<void> {
    try {
      while (this.#waiters.size > 0) {
        const pauseMs = await this.#ask().then(
          (found) => {
            this.#pauseMs = found ? shortestPauseMs : Math.min(longestPauseMs, this.#pauseMs * pauseGrowth);
            return this.#pauseMs;
          },
          (error: unknown) => {
            this.#tellLookers(error);
            // The limits of those who wait tell them; the database may come back before.
            return faultPauseMs;
          },
        );
        await this.#sleep(pauseMs);
      }
    } finally {
      this.#polling = undefined;
    }
  }

  async #sleep(pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** @returns whether it found anything */
  async #ask(): Promise<boolean> {
    const ids = [...this.#waiters.keys()];
    const looking = ids.filter((id) => [...(this.#waiters.get(id) ?? [])].some(({ any }) => any));
    const { rows } = await this.#pool.query<WatchedRow>({ ...watchStatement, values: [ids, looking] });
    for (const row of rows) this.#tell(row);
    const found = new Set(rows.map((row) => row.operation_id));
    for (const id of looking) {
      if (found.has(id)) continue;
      for (const { any, resolve } of this.#waiters.get(id) ?? []) if (any) resolve(undefined);
    }
    return rows.length > 0;
  }

  #tellLookers(error: unknown): void {
    for (const waiters of this.#waiters.values()) {
      for (const { any, reject } of waiters) if (any) reject(error);
    }
  }

  #tell({ operation_id: id, pb, ended }: WatchedRow): void {
    const waiters = [...(this.#waiters.get(id) ?? [])].filter(({ any }) => any || ended);
    try {
      const record = operationReader(this.#pool, this.#registry).decode(pb);
      for (const { resolve } of waiters) resolve(record);
    } catch (error) {
      // An answer that this build cannot read is its waiters' fault to hear of, and nobody else's.
      for (const { reject } of waiters) reject(error);
    }
  }
}
