import type { DecoderState } from "./decoder-state.ts";
import { type Lsn, zeroLsn } from "./lsn.ts";
import type { StreamProgress } from "./stream-progress.ts";

/**
 * How much slower the clock runs while the server seems to compute although nothing it counts moves: so it is while it
 * goes through a huge transaction of tables that are not published. With the default limit that is 10 minutes.
 */
const workingFactor = 20;

/**
 * Measures for how long a stream has stood still. Pure: it is told of time and of what was seen.
 *
 * | state   | means                                            | leaves on                                             |
 * |---------|--------------------------------------------------|-------------------------------------------------------|
 * | quiet   | so long (`quietMs`) no data came                 | data, or the consumer holds back → quiet from 0;      |
 * |         |                                                  | heartbeat emitted → waiting                           |
 * | waiting | a heartbeat is out, which has to come back;      | data, or the consumer holds back → quiet from 0       |
 * |         | `stalledMs` since the server last did something  |                                                       |
 *
 * What counts as doing something, while waiting: a keepalive's WAL end that moves, until it has passed the heartbeat (a
 * server that has passed it without sending it does not get any further by passing more); the slot's counters.
 */
export class StallClock {
  #quietMs = 0;
  #stalledMs = 0;
  #heartbeat: Lsn | undefined;
  #dataBytes = 0;
  #walEnd = zeroLsn;
  #counters: string | undefined;

  /** For how long no data came. */
  get quietMs(): number {
    return this.#quietMs;
  }

  /** For how long the server has done nothing although a heartbeat is out. */
  get stalledMs(): number {
    return this.#stalledMs;
  }

  get waiting(): boolean {
    return this.#heartbeat !== undefined;
  }

  /** A heartbeat was committed whose message ends here. */
  heartbeatEmitted(lsn: Lsn): void {
    this.#heartbeat = lsn;
    this.#stalledMs = 0;
    this.#counters = undefined;
  }

  /** A heartbeat could not be emitted: the next is due when it has been quiet for as long again. */
  heartbeatFailed(): void {
    this.#quietMs = 0;
  }

  /** Time went by and this is where the stream is now. True: it did not move; what the decoder does will tell. */
  advance(elapsedMs: number, progress: StreamProgress): boolean {
    const moved = progress.dataBytes > this.#dataBytes || progress.paused;
    const passes = progress.walEnd > this.#walEnd && this.#walEnd <= (this.#heartbeat ?? zeroLsn);
    this.#dataBytes = progress.dataBytes;
    this.#walEnd = progress.walEnd;
    if (moved) {
      this.#quietMs = 0;
      this.#stalledMs = 0;
      this.#heartbeat = undefined;
      return false;
    }
    this.#quietMs += elapsedMs;
    if (passes) this.#stalledMs = 0;
    return this.waiting && !passes;
  }

  /** The stream did not move for so long, and this is what the decoder does; undefined: there is none. */
  standsStill(elapsedMs: number, decoder: DecoderState | undefined): void {
    const counters = decoder?.counters ?? "";
    if (this.#counters !== undefined && counters !== this.#counters) this.#stalledMs = 0;
    else this.#stalledMs += decoder?.working === true ? elapsedMs / workingFactor : elapsedMs;
    this.#counters = counters;
  }
}
