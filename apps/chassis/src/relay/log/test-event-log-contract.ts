import { describe } from "vitest";
import type { EventLog } from "./event-log.ts";
import { describeAppends } from "./test-log-appends.ts";
import { describeDelayed } from "./test-log-delayed.ts";
import { describeFencing } from "./test-log-fencing.ts";
import { describeReads } from "./test-log-reads.ts";
import { describeRepairs } from "./test-log-repairs.ts";

/** An implementation of the log, as the contract's tests need it. Empty at first. */
export interface LogUnderTest extends AsyncDisposable {
  /** One process' log. */
  readonly log: EventLog;
  /** Another process' log. */
  readonly other: EventLog;
  /** Breaks what connects the first one with its storage, in the midst of what it does. It mends by itself. */
  breakConnections(): Promise<void>;
}

/**
 * What every implementation of {@link EventLog} has to hold. The tests know the interface alone, and share one log: each
 * has sources of its own, and looks at what is appended from its beginning on.
 */
export function describeEventLog(name: string, open: () => Promise<LogUnderTest>): void {
  describe(`${name} as an event log`, () => {
    describeAppends(open);
    describeFencing(open);
    describeRepairs(open);
    describeDelayed(open);
    describeReads(open);
  });
}
