import type { Lease } from "./lease.ts";
import type { HeldLease } from "./lease-store.ts";
import { createTimedSignal, type TimedSignal } from "./timed-signal.ts";

/**
 * - `held`: its work runs.
 * - `leaving`: its signal has aborted, its work ends; it is renewed, so that nobody begins before that.
 * - `lost`: its signal has aborted, its work ends; somebody else may have it.
 */
type LeaseState = "held" | "leaving" | "lost";

interface Entry extends HeldLease {
  readonly timed: TimedSignal;
  state: LeaseState;
  /** Its work has ended. */
  ended: boolean;
  /** When its signal aborted, in ms of `performance.now()`. */
  leftAtMs: number;
}

/** How the work of a lease ended. */
export interface LeaseEnd {
  /** Before its signal had aborted. */
  readonly early: boolean;
  /** What it threw. */
  readonly error?: unknown;
}

/**
 * The leases of this process and the work under them.
 *
 * A lease is begun: `held` → (given back, or its work ends by itself) `leaving` → (its work has ended, or takes too long)
 * taken away, to be freed. `held` or `leaving` → (not renewed in time, or somebody else has it) `lost` → (its work has
 * ended) gone. While it is in any of these states, its work is not begun a second time.
 */
export class HeldLeases {
  readonly #entries = new Map<string, Entry>();
  readonly #onEnd: (lease: Lease, end: LeaseEnd) => void;

  /** @param onEnd is called when the work of a lease has ended */
  constructor(onEnd: (lease: Lease, end: LeaseEnd) => void) {
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  isHeld(name: string): boolean {
    return this.#entries.get(name)?.state === "held";
  }

  /** Begins the work of a lease that is this process' until the deadline, in ms of `performance.now()`. */
  begin(held: HeldLease, deadlineMs: number, run: (lease: Lease) => Promise<void>): void {
    const timed = createTimedSignal(deadlineMs);
    const lease: Lease = { ...held, signal: timed.signal };
    const entry: Entry = { ...held, timed, state: "held", ended: false, leftAtMs: Number.POSITIVE_INFINITY };
    this.#entries.set(held.name, entry);
    const expire = () => {
      // Where it was given back, that is known already.
      if (entry.state === "held") this.#leave(entry, "lost");
    };
    timed.signal.addEventListener("abort", expire, { once: true });
    const end = (failure: { readonly error?: unknown }) => {
      const early = entry.state === "held";
      entry.ended = true;
      if (entry.state === "lost") this.#entries.delete(held.name);
      else this.#leave(entry, "leaving");
      this.#onEnd(lease, { early, ...failure });
    };
    (async () => run(lease))().then(
      () => end({}),
      (error: unknown) => end({ error }),
    );
  }

  /** Those to be renewed. */
  renewable(): readonly HeldLease[] {
    return [...this.#entries.values()].filter((entry) => entry.state !== "lost");
  }

  /** Notes the outcome of a renewal of leases: those that are missing in `renewed` are lost. */
  renewed(asked: readonly HeldLease[], renewed: ReadonlySet<string>, deadlineMs: number): void {
    for (const { name, epoch } of asked) {
      const entry = this.#entries.get(name);
      if (entry === undefined || entry.epoch !== epoch) continue;
      if (renewed.has(name)) entry.timed.extendTo(deadlineMs);
      else this.#leave(entry, "lost");
    }
  }

  giveBack(names: Iterable<string>): void {
    for (const name of [...names]) {
      const entry = this.#entries.get(name);
      if (entry !== undefined) this.#leave(entry, "leaving");
    }
  }

  giveBackAll(): void {
    this.giveBack(this.#entries.keys());
  }

  /** Those whose work has ended, or did not end within the limit: to be freed. The work of the latter is disowned. */
  takeEnded(limitMs: number): readonly HeldLease[] {
    const overdueMs = performance.now() - limitMs;
    const ended = this.renewable().filter((lease) => this.#mayGo(lease.name, overdueMs));
    for (const { name } of ended) {
      const entry = this.#entries.get(name);
      if (entry?.ended) this.#entries.delete(name);
      else if (entry !== undefined) this.#leave(entry, "lost");
    }
    return ended;
  }

  #mayGo(name: string, overdueMs: number): boolean {
    const entry = this.#entries.get(name);
    return entry !== undefined && (entry.ended || entry.leftAtMs <= overdueMs);
  }

  #leave(entry: Entry, state: "leaving" | "lost"): void {
    if (entry.state === state || entry.state === "lost") return;
    if (entry.state === "held") entry.leftAtMs = performance.now();
    entry.state = state;
    if (state === "lost" && entry.ended) this.#entries.delete(entry.name);
    entry.timed.abort();
  }
}
