import { commonNow } from "../harness/common-clock.ts";

/** When events were committed, by the clock that all processes share: `times[n]` is of `ids[n]`. */
export interface CommitTimes {
  readonly ids: readonly string[];
  readonly times: readonly number[];
}

/** Notes when each event was seen committed. */
export class CommitTimeRecorder {
  #ids: string[] = [];
  #times: number[] = [];

  readonly note = (ids: readonly string[]): void => {
    const now = commonNow();
    for (const id of ids) {
      this.#ids.push(id);
      this.#times.push(now);
    }
  };

  /** What was noted since the last call. */
  take(): CommitTimes {
    const taken = { ids: this.#ids, times: this.#times };
    this.#ids = [];
    this.#times = [];
    return taken;
  }
}

/** Percentiles of what lay between two commits, in ms. */
export interface Latencies {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * How long after its publication was acknowledged each event's effect was. An effect that was there before its
 * producer knew of its own commit took 0.
 */
export function compareCommits(published: CommitTimes, effects: CommitTimes): Latencies {
  const effectAt = new Map(effects.ids.map((id, index) => [id, effects.times[index]]));
  const latencies = published.ids.flatMap((id, index) => {
    const at = effectAt.get(id);
    const from = published.times[index];
    return at === undefined || from === undefined ? [] : [Math.max(0, at - from)];
  });
  latencies.sort((a, b) => a - b);
  const quantile = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
  return { count: latencies.length, p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) };
}
