import type { TestServer } from "../../src/cluster/postgres/test-database.ts";
import type { BenchEvent } from "../peers/peer.ts";
import type { CommitTimes } from "./commit-times.ts";
import type { EffectReport } from "./effects.ts";

/** One side of the comparison: something that carries events from who publishes them to a handler. */
export interface Side {
  readonly name: string;
  /** Whether its handler takes one event at a time or several. */
  readonly kind: "message" | "batch";
  /** Too slow to be run in every round, and to be the best. */
  readonly slow: boolean;
  /** Makes a new deployment, on databases of its own, that does not deliver yet. */
  open(server: TestServer, options: OpenOptions): Promise<Deployment>;
}

export interface OpenOptions {
  /** Note when effects are committed, for {@link Deployment.takeTimes}. */
  readonly times: boolean;
}

/** A side that is there and ready. Disposing takes it away, with its databases. */
export interface Deployment extends AsyncDisposable {
  /** Publishes one event in a transaction of its own; resolves when that is committed. */
  publish(event: BenchEvent): Promise<void>;
  /** Publishes a backlog, in the order of the events. */
  publishMany(events: readonly BenchEvent[]): Promise<void>;
  /** Begins to deliver. */
  start(): Promise<void>;
  takeTimes(): Promise<CommitTimes>;
  /** Counted cheaply; may be too high. */
  countEffects(): Promise<number>;
  readEffects(expected: number): Promise<EffectReport>;
  /** Now, by the clock of the effects. */
  readClock(): Promise<number>;
}
