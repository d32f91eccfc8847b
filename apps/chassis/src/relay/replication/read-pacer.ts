import { performance } from "node:perf_hooks";
import type { Duplex } from "node:stream";

/** So many reads within a window of 1 ms are the server sending as fast as it can; live traffic stays below. */
const readsInWindow = 8;
const windowMs = 1;
const restMs = 1;

/**
 * Reads a socket in gulps while much comes. The walsender writes each message on its own, so an eager reader wakes up
 * for nearly every one of them: 160,000 reads for 200,000 transactions, 6 µs of CPU time a row before anything is
 * decoded. Resting for 1 ms after 8 reads in 1 ms lets the kernel gather: 7,000 reads, 1.2 µs a row, and on two idle
 * cores twice the rows a second, because the server is interrupted less too. Who sends less than that waits for nothing.
 *
 * Also the socket's one place to hold: it flows unless it rests or is held.
 */
export class ReadPacer {
  readonly #stream: Duplex;
  #windowEnd = 0;
  #reads = 0;
  #readAt = performance.now();
  #resting: NodeJS.Timeout | undefined;
  #held = false;
  readonly #onData = () => this.#onRead();

  constructor(stream: Duplex) {
    this.#stream = stream;
    readNothingAhead(stream);
    stream.on("data", this.#onData);
  }

  /** When something was read last, or `release` was called; by `performance.now()`. */
  get readAt(): number {
    return this.#readAt;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Reads nothing until `release`. What the socket has handed out already is still processed. */
  hold(): void {
    this.#held = true;
    this.#stream.pause();
  }

  release(): void {
    this.#held = false;
    this.#readAt = performance.now();
    if (!this.#resting) this.#stream.resume();
  }

  /** Clears the timer and leaves the socket as it is. */
  stop(): void {
    clearTimeout(this.#resting);
    this.#stream.off("data", this.#onData);
  }

  #onRead(): void {
    const now = performance.now();
    this.#readAt = now;
    if (this.#stream.readableLength > 0) return; // of what came while it rested this is not the last
    if (now > this.#windowEnd) {
      this.#windowEnd = now + windowMs;
      this.#reads = 0;
    }
    if (++this.#reads >= readsInWindow && !this.#resting) this.#rest();
  }

  #rest(): void {
    this.#reads = 0;
    this.#stream.pause();
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      if (!this.#held) this.#stream.resume();
    }, restMs);
  }
}

/**
 * A paused socket goes on reading until its buffer is full (64 KiB), in the small pieces that a rest is there to avoid.
 * Full from the first byte on, it stops. The mark can be set on construction only, which `pg` and TLS do for us.
 */
function readNothingAhead(stream: Duplex): void {
  const { _readableState: state } = stream as { _readableState?: { highWaterMark: number } }; // not typed
  if (state) state.highWaterMark = 1;
}
