import { createEventId } from "../../outbox/event-id.ts";
import { type Lsn, toLsn } from "../replication/lsn.ts";
import type { CaptureState, EventLog, LogBatch, SourceFence } from "./event-log.ts";
import type { CapturedEvent, LogEvent } from "./log-event.ts";

let sources = 0;

/** An outbox as its capture sees it: batches with points that rise. */
export class TestSource {
  readonly fence: SourceFence;
  readonly log: EventLog;
  #lsn: bigint;

  constructor(log: EventLog, fence: SourceFence = { source: `test ${++sources}`, epoch: 1n }, lsn = 0n) {
    this.log = log;
    this.fence = fence;
    this.#lsn = lsn;
  }

  /** The same source for another holder, by another object or epoch. */
  as(log: EventLog, epoch = this.fence.epoch): TestSource {
    return new TestSource(log, { source: this.fence.source, epoch }, this.#lsn);
  }

  take(): Promise<CaptureState> {
    return this.log.takeSource(this.fence);
  }

  event(change: Partial<CapturedEvent> = {}): CapturedEvent {
    return {
      source: this.fence.source,
      eventId: createEventId(),
      type: "test.v1.Happened",
      key: "a",
      payload: '{"text":"ü \\"x\\""}',
      causationId: undefined,
      correlationId: undefined,
      traceparent: undefined,
      committedAt: new Date(),
      position: undefined,
      deliverAfter: undefined,
      ...change,
    };
  }

  events(count: number): CapturedEvent[] {
    return Array.from({ length: count }, () => this.event());
  }

  /** A batch of one transaction, the next of this source. */
  batch(events: readonly CapturedEvent[], checkIds = false): LogBatch {
    this.#lsn += 100n;
    const point = { commitLsn: toLsn(this.#lsn), rows: events.length };
    return { events, point, confirmed: toLsn(this.#lsn + 50n), checkIds };
  }

  async append(events: readonly CapturedEvent[], checkIds = false): Promise<LogBatch> {
    const batch = this.batch(events, checkIds);
    await this.log.append(this.fence, batch);
    return batch;
  }

  lsn(offset = 0n): Lsn {
    return toLsn(this.#lsn + offset);
  }
}

/** A source that is taken. */
export async function takeTestSource(log: EventLog): Promise<TestSource> {
  const source = new TestSource(log);
  await source.take();
  return source;
}

/** All events after a sequence, page by page. */
export async function readFrom(log: EventLog, after: bigint, limit = 100): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  const { seq: head } = await log.readHead();
  for (let position = after; position < head; ) {
    const page = await log.read({ after: position, types: [], typePrefixes: [], limit });
    events.push(...page.events);
    position = page.scannedTo;
  }
  return events;
}

/** The numbers after a sequence: what dense sequences are. */
export function denseAfter(after: bigint, count: number): bigint[] {
  return Array.from({ length: count }, (_, index) => after + 1n + BigInt(index));
}

export function idsOf(events: readonly { readonly eventId: string }[]): string[] {
  return events.map((event) => event.eventId);
}
