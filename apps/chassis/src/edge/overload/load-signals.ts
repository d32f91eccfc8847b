import type { Pool } from "pg";
import { type LoopLoad, watchEventLoop } from "./event-loop.ts";
import { type PoolLoad, watchPool } from "./pool-load.ts";

/** What a process looked like when it was looked at last. */
export interface LoadSample {
  readonly loop: LoopLoad;
  readonly pools: Readonly<Record<string, PoolLoad>>;
  /** Why more work would only make all of it slower; empty while it would not. */
  readonly congestion: readonly string[];
}

/** More than this and a request's own work is the smaller part of its time. */
const maxLoopDelayMs = 30;
const maxPoolWaitMs = 50;

/** Looks at what a process runs out of first: its event loop, and its connections. */
export function watchLoad(pools: Readonly<Record<string, Pool>>): () => LoadSample {
  const lookAtLoop = watchEventLoop();
  const watched = Object.entries(pools).map(([name, pool]) => [name, watchPool(pool)] as const);
  return () => {
    const loop = lookAtLoop();
    const looked = watched.map(([name, look]) => [name, look()] as const);
    const late = loop.delayMs > maxLoopDelayMs ? ["event loop"] : [];
    const short = looked.filter(([, { waitMs }]) => waitMs > maxPoolWaitMs).map(([name]) => `pool ${name}`);
    return { loop, pools: Object.fromEntries(looked), congestion: [...late, ...short] };
  };
}
