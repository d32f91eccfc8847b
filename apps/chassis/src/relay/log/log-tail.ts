import type { LogPage, LogQuery } from "./event-log.ts";
import type { LogEvent } from "./log-event.ts";
import { typeFilterOf } from "./type-filter.ts";

/** How much of the log's end stays in memory. Bytes are of payload, with `eventBytes` for the rest of each event. */
export interface TailLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** What an event takes beside its payload, roughly. */
const eventBytes = 500;
/** More than the window of any subscription (4,096 events); whoever is further behind reads the table at the same rate. */
const defaultLimits: TailLimits = { maxEvents: 10_000, maxBytes: 8 * 1024 * 1024 };
export const defaultPageBytes = 8 * 1024 * 1024;

/** Events one after the other, without a gap. */
interface Run {
  first: bigint;
  readonly events: LogEvent[];
  readonly sizes: number[];
}

/**
 * The newest events of the log, in memory: readers at the head read no table. What other processes appended leaves gaps
 * until somebody adds it; a reader at a gap is sent to the table.
 */
export class LogTail {
  /** In order, with gaps between them. */
  #runs: Run[] = [];
  #count = 0;
  #bytes = 0;
  readonly #limits: TailLimits;

  constructor(limits: TailLimits = defaultLimits) {
    this.#limits = limits;
  }

  /** Adds events that are in the log one after the other. Those that are here stay. */
  add(events: readonly LogEvent[]): void {
    const [first] = events;
    if (first === undefined) return;
    const last = this.#runs.at(-1);
    if (last === undefined || first.seq >= endOf(last)) this.#append(events, first.seq);
    else this.#insert(events);
    this.#evict();
  }

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  clear(): void {
    this.#runs = [];
    this.#count = 0;
    this.#bytes = 0;
  }

  /** The first sequences after the oldest event here that are missing. Undefined: none up to the head. */
  gapTo(head: bigint): { readonly after: bigint; readonly upTo: bigint } | undefined {
    const [run, next] = this.#runs;
    if (run === undefined || endOf(run) > head) return undefined;
    return { after: endOf(run) - 1n, upTo: next === undefined ? head : next.first - 1n };
  }

  /** Forgets what is before the first gap. */
  dropBeforeGap(): void {
    const run = this.#runs.shift();
    if (run !== undefined) this.#forget(run);
  }

  /** A page, or undefined where the next event is not here. */
  read(query: LogQuery): LogPage | undefined {
    const from = query.after + 1n;
    const run = this.#runOf(from);
    if (run === undefined) return undefined;
    const begin = Number(from - run.first);
    const end = query.upTo === undefined ? run.events.length : clamp(Number(query.upTo - run.first) + 1, run);
    return readRun(run, begin, end, query);
  }

  find(seq: bigint): LogEvent | undefined {
    const run = this.#runOf(seq);
    return run?.events[Number(seq - run.first)];
  }

  /** Of few runs; readers at the head are in the last one. */
  #runOf(seq: bigint): Run | undefined {
    return this.#runs.findLast((run) => run.first <= seq && seq < endOf(run));
  }

  #append(events: readonly LogEvent[], first: bigint): void {
    let run = this.#runs.at(-1);
    if (run === undefined || endOf(run) !== first) {
      run = { first, events: [], sizes: [] };
      this.#runs.push(run);
    }
    for (const event of events) this.#push(run, event);
  }

  #push(run: Run, event: LogEvent): void {
    const size = Buffer.byteLength(event.payload);
    run.events.push(event);
    run.sizes.push(size);
    this.#count++;
    this.#bytes += size + eventBytes;
  }

  /** Rare: what fills a gap. */
  #insert(events: readonly LogEvent[]): void {
    const missing = events.filter((event) => this.find(event.seq) === undefined);
    const all = [...this.#runs.flatMap((run) => run.events), ...missing];
    this.clear();
    for (const event of all.sort((a, b) => (a.seq < b.seq ? -1 : 1))) this.#append([event], event.seq);
  }

  /** A tenth at a time: shifting an array costs its length. */
  #evict(): void {
    if (this.#count <= this.#limits.maxEvents && this.#bytes <= this.#limits.maxBytes) return;
    while (this.#count > this.#limits.maxEvents * 0.9 || this.#bytes > this.#limits.maxBytes * 0.9) {
      const [run] = this.#runs;
      if (run === undefined) return;
      this.#evictFrom(run);
    }
  }

  #evictFrom(run: Run): void {
    let dropped = 0;
    let bytes = 0;
    while (
      dropped < run.events.length &&
      (this.#count - dropped > this.#limits.maxEvents * 0.9 ||
        this.#bytes - bytes > this.#limits.maxBytes * 0.9)
    ) {
      bytes += (run.sizes[dropped] ?? 0) + eventBytes;
      dropped++;
    }
    run.events.splice(0, dropped);
    run.sizes.splice(0, dropped);
    run.first += BigInt(dropped);
    this.#count -= dropped;
    this.#bytes -= bytes;
    if (run.events.length === 0) this.#runs.shift();
  }

  #forget(run: Run): void {
    this.#count -= run.events.length;
    this.#bytes -= run.sizes.reduce((sum, size) => sum + size + eventBytes, 0);
  }
}

/** The sequence after the last event of a run. */
function endOf(run: Run): bigint {
  return run.first + BigInt(run.events.length);
}

function clamp(index: number, run: Run): number {
  return Math.max(0, Math.min(index, run.events.length));
}

function readRun(run: Run, begin: number, end: number, query: LogQuery): LogPage {
  const matches = typeFilterOf(query);
  const maxBytes = query.maxBytes ?? defaultPageBytes;
  const events: LogEvent[] = [];
  let bytes = 0;
  let index = begin;
  for (; index < end && events.length < query.limit; index++) {
    const event = run.events[index];
    if (event === undefined || (matches !== undefined && !matches(event.type))) continue;
    bytes += run.sizes[index] ?? 0;
    if (events.length > 0 && bytes > maxBytes) break;
    events.push(event);
  }
  return { events, scannedTo: run.first + BigInt(index) - 1n };
}
