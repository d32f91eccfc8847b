import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { describeAlarm } from "./flag-alarm.ts";
import type { FlagBook } from "./flag-book.ts";

export interface FlagWatch {
  readonly book: FlagBook;
  readonly log: Logger;
  /** From the end of one look to the next, in ms. */
  readonly everyMs: number;
}

/** What a process with a database or a file waits between looks: two seconds are promised, through a gateway too. */
export const flagsEveryMs = 1_000;
/** When a look is told to end, in ms. One at a database ends by the limits of its pool. */
const lookLimitMs = 2_000;

/**
 * Looks at a source of flags again and again, and keeps the book up to date, until it is disposed. Resolves after the
 * first look, so that a process that is ready has its flags. A source that fails is an alarm, never an error of this.
 */
export async function openFlagWatch(watch: FlagWatch): Promise<AsyncDisposable> {
  const stopping = new AbortController();
  const reporter = new AlarmReporter(watch.log);
  await look(watch.book, stopping.signal);
  const looking = lookOn(watch, reporter, stopping.signal);
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await looking;
    },
  };
}

async function lookOn(watch: FlagWatch, reporter: AlarmReporter, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    reporter.report(watch.book);
    await delay(watch.everyMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted || !(await look(watch.book, signal))) continue;
    const { status, gauges } = watch.book;
    watch.log.info({ source: status.source, flags: gauges.flags }, "the flags have changed");
  }
}

/** Whether other flags count now. */
function look(book: FlagBook, signal: AbortSignal): Promise<boolean> {
  return book.look(AbortSignal.any([signal, AbortSignal.timeout(lookLimitMs)]));
}

/** Logs an alarm when it comes and when it goes, once each. What the next look mends by itself is not told. */
class AlarmReporter {
  readonly #log: Logger;
  #last: ReadonlySet<string> = new Set();
  #told: ReadonlySet<string> = new Set();

  constructor(log: Logger) {
    this.#log = log;
  }

  report(book: FlagBook): void {
    const now = new Set(book.status.alarms.map(describeAlarm));
    const standing = [...now].filter((alarm) => this.#last.has(alarm));
    const source = book.status.source;
    for (const alarm of standing)
      if (!this.#told.has(alarm)) this.#log.error({ source, alarm }, "flags: somebody has to mend something");
    for (const alarm of this.#told)
      if (!now.has(alarm)) this.#log.info({ source, alarm }, "flags: this is mended");
    this.#told = new Set([...standing, ...[...this.#told].filter((alarm) => now.has(alarm))]);
    this.#last = now;
  }
}
