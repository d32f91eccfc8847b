import { setTimeout as delay } from "node:timers/promises";
import type { Pool } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { type Position, parseWalLocation } from "./position.ts";
import { systemIdOf } from "./take-position.ts";

interface Waiter {
  readonly lsn: bigint;
  readonly resolve: () => void;
}

/** What a database says of its replay. */
interface ReplayState {
  readonly recovering: boolean;
  readonly lsn: string | null;
  readonly streaming: boolean;
}

const pollMs = 3;
const settlePollMs = 25;
/** A replica whose replay has not moved for so long, and that receives nothing, has replayed all that it has. */
const stillMs = 250;
const settleLimitMs = 3_000;

/**
 * Waits until the database this process reads has replayed a position. However many requests wait, one query per
 * tick asks; none asks while nobody waits.
 */
export class ReplayWatcher {
  readonly #pool: Pool;
  readonly #waiters = new Set<Waiter>();
  #polling: Promise<void> | undefined;
  #replayed = 0n;
  /** The furthest location ever seen. */
  #mark = 0n;
  #settled = false;
  #settling: Promise<void> | undefined;

  constructor(pool: Pool) {
    this.#pool = pool;
    // With its connections a replica may have crashed: it may come back at an earlier location than it was seen at.
    pool.on("remove", () => {
      this.#replayed = 0n;
      this.#settled = false;
    });
  }

  /**
   * Resolves when the database is not on its way through its own past: a replica that was restarted answers queries
   * long before it is again where it was. Costs nothing while connections hold.
   *
   * @throws QuartetError `stale` when it is not there within some seconds.
   */
  async settle(): Promise<void> {
    if (this.#settled) return;
    this.#settling ??= this.#untilSettled().finally(() => {
      this.#settling = undefined;
    });
    await this.#settling;
  }

  async #untilSettled(): Promise<void> {
    const beganMs = performance.now();
    let last = -1n;
    let movedMs = beganMs;
    while (performance.now() - beganMs < settleLimitMs) {
      this.#settled = true; // until a connection is lost while it is asked
      const state = await this.#readState();
      const lsn = parseWalLocation(state.lsn ?? "0/0");
      if (lsn !== last) movedMs = performance.now();
      last = lsn;
      const still = performance.now() - movedMs >= stillMs;
      const there = !state.recovering || (lsn >= this.#mark && (state.streaming || still));
      if (there && this.#settled) return;
      this.#settled = false;
      await delay(settlePollMs);
    }
    throw new QuartetError("stale", "The replica is not yet where it was before its restart.", {
      retryAfterSeconds: 1,
    });
  }

  async #readState(): Promise<ReplayState> {
    try {
      const result = await this.#pool.query<ReplayState>({
        name: "read replay state",
        text: `select pg_is_in_recovery() as recovering, pg_last_wal_replay_lsn()::text as lsn,
  pg_is_in_recovery() and pg_last_wal_receive_lsn() is not null as streaming`,
      });
      return result.rows[0] ?? { recovering: true, lsn: null, streaming: false };
    } catch (error) {
      this.#settled = false;
      throw error;
    }
  }

  /**
   * Resolves at or past `position`.
   *
   * @throws QuartetError `stale` when it is not reached within `timeoutMs` or before the signal aborts, or belongs to
   * another database system.
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
      if (this.#replayed > this.#mark) this.#mark = this.#replayed;
    } catch {
      // The waiters' own limits tell them; the next tick asks again.
      this.#replayed = 0n;
      await delay(pollMs * 10);
    }
  }
}
