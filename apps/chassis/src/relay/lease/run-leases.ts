import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { HeldLeases, type LeaseEnd } from "./held-leases.ts";
import type { Lease } from "./lease.ts";
import { LeaseConnection } from "./lease-connection.ts";
import {
  claimLeases,
  dropStale,
  freeLeases,
  type KnownLease,
  type LeaseCensus,
  type LeaseOwner,
  leaveLeases,
  renewLeases,
} from "./lease-store.ts";
import { planLeases } from "./share-leases.ts";

/** How a relay process takes part. */
export interface LeaseSettings {
  /** URL of the events database. */
  readonly url: string;
  /** Unique among all processes that ever are. */
  readonly process: string;
  /** Where this process' listener answers, for others to know; empty: nowhere. */
  readonly processUrl?: string;
  /** Lifetime of a lease that is not renewed. All processes of a deployment should have the same. */
  readonly ttlMs?: number;
  readonly renewMs?: number;
  /** How long work that is to end may take before its lease is freed all the same. */
  readonly endLimitMs?: number;
  /** What is to be held by somebody; undefined: not known yet. */
  readonly wanted: () => readonly string[] | undefined;
  /**
   * The work of a lease. It ends soon after `lease.signal` aborts. When it ends before, or throws, the lease is given back,
   * and this process does not take it again for a lifetime.
   */
  readonly run: (lease: Lease) => Promise<void>;
  readonly logger: Logger;
  /** Told after each tick that reached the database. */
  readonly onTick?: (tick: LeaseTick) => void;
  /** Named stop points, for tests. */
  readonly stopAt?: (point: LeaseStopPoint) => Promise<void>;
}

/** What a tick found. */
export interface LeaseTick {
  /** The other relay processes that live. */
  readonly others: readonly string[];
  /** How many leases this process should hold, and how many it does. */
  readonly share: number;
  readonly held: number;
}

export type LeaseStopPoint = "before renewal" | "after renewal" | "after claim";

const retryMs = 50;

/**
 * Takes part in sharing leases until the signal aborts; then ends all work, gives everything back, and resolves.
 *
 * Guarantee: of all processes of a database, at most one runs the work of a lease whose signal has not aborted.
 *
 * A tick: free what has ended → renew all → (something is wanted) plan → claim. It comes every `renewMs`, when work has
 * ended, and when another's lease expires. All its statements share one connection; one that hangs is given up, and leases
 * whose renewal did not succeed in time abort by this process' own clock. States: ticking → (signal) stopping: renewing
 * while work ends → left. What a lease goes through: see {@link HeldLeases}.
 */
export async function runLeases(settings: LeaseSettings, signal: AbortSignal): Promise<void> {
  const keeper = new LeaseKeeper(settings);
  try {
    await keeper.run(signal);
  } finally {
    await keeper[Symbol.asyncDispose]();
  }
}

class LeaseKeeper implements AsyncDisposable {
  readonly #settings: LeaseSettings;
  readonly #owner: Omit<LeaseOwner, "leaving">;
  #stopping = false;
  readonly #renewMs: number;
  readonly #endLimitMs: number;
  readonly #connection: LeaseConnection;
  readonly #held: HeldLeases;
  /** Names that this process leaves to others, and until when. */
  readonly #shunned = new Map<string, number>();
  #wake = new AbortController();
  #failures = 0;

  constructor(settings: LeaseSettings) {
    this.#settings = settings;
    const { process, processUrl: url = "", ttlMs = 2_000 } = settings;
    this.#owner = { process, url, ttlMs };
    this.#renewMs = settings.renewMs ?? ttlMs / 4;
    this.#endLimitMs = settings.endLimitMs ?? 12_000;
    // Two statements that hang one after the other still fit into a lifetime.
    this.#connection = new LeaseConnection(settings.url, Math.ceil(ttlMs * 0.4));
    this.#held = new HeldLeases((lease, end) => this.#noteEnd(lease, end));
  }

  async run(signal: AbortSignal): Promise<void> {
    const wake = () => this.#wake.abort();
    signal.addEventListener("abort", wake, { once: true });
    while (!signal.aborted) await this.#tryTick(() => this.#tick(signal));
    signal.removeEventListener("abort", wake);
    await this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #stop(): Promise<void> {
    this.#held.giveBackAll();
    this.#stopping = true;
    await this.#connection.run((client) => leaveLeases(client, this.#owner)).catch(() => undefined);
    const limitMs = performance.now() + this.#endLimitMs + this.#owner.ttlMs;
    while (this.#held.size > 0 && performance.now() < limitMs) {
      await this.#tryTick(async () => {
        await this.#renew();
        return this.#held.size > 0 ? this.#renewMs : 0;
      });
    }
  }

  /** Ticks, and sleeps for as long as the tick says or until woken. A tick that fails is tried again soon. */
  async #tryTick(tick: () => Promise<number>): Promise<void> {
    this.#wake = new AbortController();
    const woken = this.#wake.signal;
    let pauseMs = Math.min(this.#renewMs, retryMs * 2 ** this.#failures);
    try {
      pauseMs = await tick();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      const reason = error instanceof Error ? error.message : String(error);
      if (this.#failures === 1)
        this.#settings.logger.warn({ reason }, "could not renew the leases; trying again");
    }
    await delay(Math.max(0, pauseMs), undefined, { signal: woken }).catch(() => undefined);
  }

  /** Returns how long to sleep, in ms. */
  async #tick(signal: AbortSignal): Promise<number> {
    const startMs = performance.now();
    const census = await this.#renew();
    const wanted = this.#settings.wanted();
    if (wanted === undefined || signal.aborted) return this.#sleepMs(startMs, census, []);
    const holders = this.#holdersIn(census.leases);
    const { process } = this.#owner;
    const plan = planLeases({ process, others: census.others, wanted, holders });
    this.#held.giveBack(plan.giveBack);
    await this.#claim(plan.claim);
    await this.#drop(census, wanted);
    this.#settings.onTick?.({ others: census.others, share: plan.share, held: this.#held.size });
    return this.#sleepMs(startMs, census, wanted);
  }

  /** Frees what has ended, then renews the rest. */
  async #renew(): Promise<LeaseCensus> {
    const ended = this.#held.takeEnded(this.#endLimitMs);
    if (ended.length > 0) await this.#connection.run((client) => freeLeases(client, this.#owner, ended));
    await this.#settings.stopAt?.("before renewal");
    const leases = this.#held.renewable();
    // Before the statement is sent: whenever it is carried out, the lease lives longer than that.
    const deadlineMs = this.#deadlineMs();
    // Whoever cannot take leases yet is given no share of them: nobody would have it.
    const leaving = this.#stopping || this.#settings.wanted() === undefined;
    const owner = { ...this.#owner, leaving };
    const census = await this.#connection.run((client) => renewLeases(client, owner, leases));
    await this.#settings.stopAt?.("after renewal");
    this.#held.renewed(leases, census.renewed, deadlineMs);
    return census;
  }

  async #claim(names: readonly string[]): Promise<void> {
    const now = performance.now();
    for (const [name, untilMs] of this.#shunned) if (untilMs <= now) this.#shunned.delete(name);
    const free = names.filter((name) => !this.#held.has(name) && !this.#shunned.has(name));
    if (free.length === 0) return;
    const deadlineMs = this.#deadlineMs();
    const claimed = await this.#connection.run((client) => claimLeases(client, this.#owner, free));
    await this.#settings.stopAt?.("after claim");
    // What came too late is nobody's until it expires, or this process claims it again.
    if (performance.now() >= deadlineMs) return;
    for (const lease of claimed) this.#held.begin(lease, deadlineMs, this.#settings.run);
  }

  async #drop({ leases, stale }: LeaseCensus, wanted: readonly string[]): Promise<void> {
    const known = new Set(wanted);
    const unwanted = leases.filter((lease) => !known.has(lease.name) && holderOf(lease) === undefined);
    if (unwanted.length === 0 && !stale) return;
    const names = unwanted.map(({ name }) => name);
    await this.#connection.run((client) => dropStale(client, names));
  }

  /** Who holds what. Those of this process whose work ends are held, but count for nobody. */
  #holdersIn(leases: readonly KnownLease[]): Map<string, string> {
    const { process } = this.#owner;
    const holders = new Map<string, string>();
    for (const lease of leases) {
      const holder = holderOf(lease);
      if (this.#held.has(lease.name)) holders.set(lease.name, this.#held.isHeld(lease.name) ? process : "");
      else if (holder !== undefined && holder !== process) holders.set(lease.name, holder);
    }
    return holders;
  }

  /** Until the next renewal, or until a lease of another that is not renewed expires. */
  #sleepMs(startMs: number, { leases }: LeaseCensus, wanted: readonly string[]): number {
    const known = new Set(wanted);
    const others = leases.filter((lease) => known.has(lease.name) && !this.#held.has(lease.name));
    const expiries = others.filter((lease) => holderOf(lease) !== undefined).map((lease) => lease.leftMs + 1);
    return Math.min(this.#renewMs, ...expiries) - (performance.now() - startMs);
  }

  /** An eighth of the lifetime is left for timers that come late and clocks that differ in speed. */
  #deadlineMs(): number {
    return performance.now() + this.#owner.ttlMs * 0.875;
  }

  #noteEnd(lease: Lease, end: LeaseEnd): void {
    if (end.early) this.#shunned.set(lease.name, performance.now() + this.#owner.ttlMs);
    if (end.error !== undefined)
      this.#settings.logger.error({ lease: lease.name, err: end.error }, "work failed");
    this.#wake.abort();
  }
}

function holderOf({ holder, leftMs }: KnownLease): string | undefined {
  return leftMs > 0 ? holder : undefined;
}
