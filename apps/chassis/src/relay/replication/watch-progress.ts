import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { stalledError } from "./capture-fault.ts";
import { HeartbeatClient } from "./heartbeat-client.ts";
import { StallClock } from "./stall-clock.ts";
import type { TransactionStream } from "./transaction-stream.ts";

export interface ProgressWatchOptions {
  /** Postgres URL of a login with EXECUTE on `pg_logical_emit_message`, on the server that the stream reads from. */
  readonly url: string;
  /** The stream's slot. */
  readonly slot: string;
  /** A heartbeat is emitted when no data came for so long. Default 5 s. */
  readonly heartbeatMs?: number;
  /** The stream fails when the server has done nothing for so long although a heartbeat is out. Default 30 s. */
  readonly stallMs?: number;
  /** Told why a heartbeat could not be emitted or the slot not be looked at: the first time, and again after a success. */
  readonly onTrouble?: (error: unknown) => void;
  /** Ends the watch. It ends with the stream too. */
  readonly signal: AbortSignal;
}

const defaultHeartbeatMs = 5_000;
const defaultStallMs = 30_000;
/** Looks at the stream so many times within the shorter of the two limits. */
const looks = 5;

/**
 * Watches over the progress of a stream, not over its connection: a server that answers and sends keepalives, but no
 * transaction, makes the stream fail, with fault `stalled`. A server that works through a huge transaction is not
 * stalled, nor is a stream whose consumer holds back ({@link StallClock} says what counts).
 *
 * Its heartbeats are transactional logical messages. They come back through the slot and bring no row, so that also the
 * slot of an outbox nobody writes to proves that it decodes, and moves on beside tables that are busy.
 *
 * Resolves when the signal aborts or the stream ends, at once or, while it connects, within 7 s; never rejects. Time counts while this process
 * runs: one that was stopped itself blames nobody for it.
 */
export async function watchProgress(stream: TransactionStream, options: ProgressWatchOptions): Promise<void> {
  const { heartbeatMs = defaultHeartbeatMs, stallMs = defaultStallMs } = options;
  const signal = AbortSignal.any([options.signal, stream.ended]);
  const lookMs = Math.ceil(Math.min(heartbeatMs, stallMs) / looks);
  await using client = new HeartbeatClient(options.url, options.slot);
  signal.addEventListener("abort", () => void client[Symbol.asyncDispose](), { once: true }); // never rejects
  const watch = new ProgressWatch(stream, client, options.onTrouble ?? (() => undefined));
  for (let lookedAt = performance.now(); ; ) {
    if (!(await pause(lookMs, signal))) return;
    const now = performance.now();
    const elapsedMs = Math.min(now - lookedAt, 2 * lookMs);
    lookedAt = now;
    await watch.look(elapsedMs, heartbeatMs);
    if (signal.aborted) return;
    if (watch.stalledMs < stallMs) continue;
    stream.fail(
      stalledError(
        `The server sends signs of life, but has done nothing for slot ${options.slot} since a heartbeat ` +
          `${Math.round(watch.stalledMs)} ms ago.`,
      ),
    );
    return;
  }
}

class ProgressWatch {
  readonly #stream: TransactionStream;
  readonly #client: HeartbeatClient;
  readonly #onTrouble: (error: unknown) => void;
  readonly #clock = new StallClock();
  #troubled = false;

  constructor(stream: TransactionStream, client: HeartbeatClient, onTrouble: (error: unknown) => void) {
    this.#stream = stream;
    this.#client = client;
    this.#onTrouble = onTrouble;
  }

  get stalledMs(): number {
    return this.#clock.stalledMs;
  }

  async look(elapsedMs: number, heartbeatMs: number): Promise<void> {
    const clock = this.#clock;
    if (clock.advance(elapsedMs, this.#stream.progress)) await this.#lookAtDecoder(elapsedMs);
    if (!clock.waiting && clock.quietMs >= heartbeatMs) await this.#beat();
  }

  async #beat(): Promise<void> {
    const lsn = await this.#attempt(() => this.#client.emit(randomUUID()));
    if (lsn === undefined) this.#clock.heartbeatFailed();
    else this.#clock.heartbeatEmitted(lsn);
  }

  /** A slot that cannot be looked at is not judged: the stream itself finds out when the server is gone. */
  async #lookAtDecoder(elapsedMs: number): Promise<void> {
    const looked = await this.#attempt(async () => ({ state: await this.#client.readDecoderState() }));
    if (looked) this.#clock.standsStill(elapsedMs, looked.state);
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await work();
      this.#troubled = false;
      return result;
    } catch (error) {
      if (!this.#troubled && !this.#stream.ended.aborted) this.#onTrouble(error);
      this.#troubled = true;
      return undefined;
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}
