/** One timer for the earliest of the times at which something is to be done. Times in ms of the monotonic clock. */
export class PumpTimer implements Disposable {
  readonly #run: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(run: () => void) {
    this.#run = run;
  }

  /** Runs then at the latest. A timer that is set for an earlier time stays: setting one costs more than a run for nothing. */
  set(atMs: number, nowMs: number): void {
    if (atMs >= this.#atMs || atMs === Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#timer);
    this.#atMs = atMs;
    this.#timer = setTimeout(this.#fire, Math.max(1, atMs - nowMs));
  }

  readonly #fire = (): void => {
    this.#atMs = Number.POSITIVE_INFINITY;
    this.#run();
  };

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
