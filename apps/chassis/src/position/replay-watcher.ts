import { setTimeout as delay } from "node:timers/promises";
import type { Pool } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { watchLostConnections } from "./lost-connections.ts";
import { formatPosition, type Position } from "./position.ts";
import { PositionWaiters } from "./position-waiters.ts";
import { ServerHistory } from "./server-history.ts";
import { readServerState, type ServerState } from "./server-state.ts";
import { SharedQuery } from "./shared-query.ts";
import { judgePosition, type Standing } from "./timelines.ts";

const pollMs = 3;
const faultPauseMs = 30;
const settlePollMs = 25;
/** A replica whose replay has not moved for so long, and that receives nothing, has replayed all that it has. */
const stillMs = 250;
const settleLimitMs = 3_000;

/**
 * Tells where the database is that this process reads, and waits until it is where a reader needs it. However many
 * requests ask, one query at a time does, one per tick for those that wait; none asks while nobody waits.
 *
 * The pool leads to one server: of several behind one address nobody could tell which one a read gets. That another has
 * taken its place, or that it was restarted, is noticed.
 */
export class ReplayWatcher {
  readonly #pool: Pool;
  readonly #waiters = new PositionWaiters();
  readonly #history: ServerHistory;
  readonly #state: SharedQuery<ServerState>;
  #polling: Promise<void> | undefined;
  /** Where it was last, in this run of it. */
  #last: ServerState | undefined;
  /** The furthest place ever seen, in any run. */
  #mark: Position | undefined;
  #settled = false;
  #settling: Promise<void> | undefined;
  #runs = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
    this.#history = new ServerHistory(pool);
    this.#state = new SharedQuery(() => this.#observe());
    // With its connections a replica may have crashed: it may come back at an earlier location than it was seen at.
    watchLostConnections(pool, () => this.#forget());
  }

  /**
   * Grows whenever the server may have gone back to an earlier place. What was found out of it before and after holds
   * for all that was read in between only when this is the same.
   */
  get runs(): number {
    return this.#runs;
  }

  /** How many wait for it to reach their positions. */
  get waiting(): number {
    return this.#waiters.size;
  }

  #forget(): void {
    this.#runs += 1;
    this.#last = undefined;
    this.#settled = false;
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
      const { recovering, streaming, position } = await this.#state.ask();
      if (position.lsn !== last) movedMs = performance.now();
      last = position.lsn;
      const still = performance.now() - movedMs >= stillMs;
      const there = !recovering || (!this.#isBeforeMark(position) && (streaming || still));
      if (there && this.#settled) return;
      this.#settled = false;
      await delay(settlePollMs);
    }
    throw new QuartetError("stale", "The replica is not yet where it was before its restart.", {
      retryAfterSeconds: 1,
    });
  }

  /** A mark of another system, or of a timeline that was given up, is nothing that a server could come back to. */
  #isBeforeMark(position: Position): boolean {
    return this.#mark !== undefined && judgePosition(this.#mark, position, this.#history.left) === "behind";
  }

  /**
   * Resolves at or past `position`.
   *
   * @throws QuartetError `stale` when it is not reached within `timeoutMs` or before the signal aborts; soon when it is
   * far; at once when this database never will be there. It names the place where the database is.
   */
  async wait(position: Position, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if ((await this.#reach(position, timeoutMs, signal)) === "reached") return;
    throw new QuartetError(
      "stale",
      "The position belongs to another database system, or to a lost timeline.",
    );
  }

  /**
   * As {@link wait}, but resolves too when the database never will be there: whoever must go on has then seen all there is.
   *
   * @throws QuartetError `stale` when it is not reached in time.
   */
  async waitIfPossible(position: Position, timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.#reach(position, timeoutMs, signal);
  }

  async #reach(position: Position, limitMs: number, signal: AbortSignal): Promise<Standing> {
    const known = this.#last && judgePosition(position, this.#last.position, this.#history.left);
    if (known === "reached") return known;
    const waiting = this.#waiters.wait(position, limitMs, signal);
    this.#polling ??= this.#poll();
    return waiting;
  }

  /**
   * Where the database is now. Whatever was read before the call, it shows at that place too, as does any replica that
   * has reached it. Concurrent calls share a query.
   */
  async locate(): Promise<string> {
    return formatPosition((await this.#state.ask()).position);
  }

  async #poll(): Promise<void> {
    try {
      while (this.#waiters.size > 0) {
        const pause = await this.#state.ask().then(
          () => pollMs,
          // The waiters' own limits tell them; the next tick asks again.
          () => faultPauseMs,
        );
        await delay(pause);
      }
    } finally {
      this.#polling = undefined;
    }
  }

  async #observe(): Promise<ServerState> {
    try {
      const runs = this.#runs;
      const told = await readServerState(this.#pool);
      if (runs !== this.#runs) return told; // it may be of the run before
      if (this.#last !== undefined && this.#last.startedAt !== told.startedAt) this.#forget();
      const state = await this.#history.note(told);
      this.#last = state;
      if (!this.#isBeforeMark(state.position)) this.#mark = state.position;
      this.#waiters.settle(state.position, this.#history.left);
      return state;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }
}
