/** Longest delay of a timer in Node. */
const longestTimerMs = 2 ** 31 - 1;

/** An AbortSignal that aborts by itself when its time is over, unless that is put off before. */
export interface TimedSignal {
  /** Its `aborted` asks the clock: a process that was stopped for a while sees at its first look that time is over. */
  readonly signal: AbortSignal;
  /** Puts the end off; one that is over stays so. In ms of `performance.now()`. */
  extendTo(deadlineMs: number): void;
  abort(): void;
}

/** @param deadlineMs when it aborts, in ms of `performance.now()`: monotonic, and it goes on while the process is stopped */
export function createTimedSignal(deadlineMs: number): TimedSignal {
  const controller = new AbortController();
  const { signal } = controller;
  let endMs = deadlineMs;
  let timer: NodeJS.Timeout | undefined;
  const abort = () => {
    clearTimeout(timer);
    controller.abort();
  };
  const watch = () => {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return abort();
    // Timers fire up to a ms early. One that finds more time left goes on, so that an extension costs no timer.
    timer = setTimeout(watch, Math.min(longestTimerMs, Math.ceil(leftMs)));
  };
  // Timers of one turn of the event loop run in the order of their times: others' may come before this one.
  askFirst(signal, () => {
    if (performance.now() >= endMs) abort();
  });
  watch();
  return {
    signal,
    abort,
    extendTo: (nextMs) => {
      if (!signal.aborted && nextMs > endMs) endMs = nextMs;
    },
  };
}

const readAborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, "aborted")?.get;

/** Has whoever asks a signal whether it is `aborted` look first whether it should be. */
export function askFirst(signal: AbortSignal, look: () => void): void {
  Object.defineProperty(signal, "aborted", {
    get: () => {
      look();
      return readAborted?.call(signal) === true;
    },
  });
}
