import { setTimeout as delay } from "node:timers/promises";
import type { Pool } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { type Position, parseWalLocation } from "./position.ts";
import { systemIdOf } from "./take-position.ts";

interface Waiter {
  readonly lsn: bigint;
  readonly resolve: () => void;
}

const pollMs = 3;

/**
 * Waits until the database this process reads has replayed a position. However many requests wait, one query per
 * tick asks; none asks while nobody waits.
 */
export class ReplayWatcher {
  readonly #pool: Pool;
  readonly #waiters = new Set<Waiter>();
  #polling: Promise<void> | undefined;
  #replayed = 0n;

  constructor(pool: Pool) {
    this.#pool = pool;
    // A replica that crashed may come back at an earlier location than it was seen at.
    pool.on("remove", () => {
      this.#replayed = 0n;
    });
  }

  /**
   * Resolves at or past `position`.
   *
   * @throws QuartetError `stale` when it is not reached within `timeoutMs` or before the signal aborts, or belongs to another database system.
   */
  async wait(position: Position, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (position.systemId !== (await systemIdOf(this.#pool))) {
      throw new QuartetError("stale", "The position belongs to another database system.");
    }
    if (this.#replayed >= position.lsn) return;
    // A deadline that has passed leaves a negative time, which AbortSignal.timeout refuses.
    const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.max(0, Math.ceil(timeoutMs)))]);
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { lsn: position.lsn, resolve };
    this.#waiters.add(waiter);
    this.#polling ??= this.#poll();
    const expired = Promise.withResolvers<never>();
    const expire = () =>
      expired.reject(
        new QuartetError("stale", `The replica did not reach the position within ${timeoutMs} ms.`, {
          retryAfterSeconds: 1,
        }),
      );
    limit.addEventListener("abort", expire, { once: true });
    if (limit.aborted) expire();
    try {
      await Promise.race([promise, expired.promise]);
    } finally {
      limit.removeEventListener("abort", expire);
      this.#waiters.delete(waiter);
    }
  }

  async #poll(): Promise<void> {
    try {
      while (this.#waiters.size > 0) {
        await this.#observe();
        for (const waiter of this.#waiters) if (this.#replayed >= waiter.lsn) waiter.resolve();
        await delay(pollMs);
      }
    } finally {
      this.#polling = undefined;
    }
  }

  async #observe(): Promise<void> {
    try {
      const result = await this.#pool.query<{ lsn: string }>({
        name: "observe replay",
        text: "select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)::text as lsn",
      });
      this.#replayed = parseWalLocation(result.rows[0]?.lsn ?? "0/0");
    } catch {
      // The waiters' own limits tell them; the next tick asks again.
      this.#replayed = 0n;
      await delay(pollMs * 10);
    }
  }
}
