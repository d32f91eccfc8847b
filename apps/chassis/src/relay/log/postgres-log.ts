import type { Pool } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { translateDatabaseError } from "../../sql/translate-error.ts";
import { type Lsn, zeroLsn } from "../replication/lsn.ts";
import { AppendAnnouncer } from "./append-announcer.ts";
import { appendCheckedEvents, appendNewEvents } from "./append-events.ts";
import * as capture from "./capture-state.ts";
import type {
  CaptureState,
  EventLog,
  LogBatch,
  LogPage,
  LogQuery,
  RepairEnd,
  SourceFence,
} from "./event-log.ts";
import { inheritPositions } from "./inherit-positions.ts";
import type { CapturedEvent, LogEvent } from "./log-event.ts";
import { LogHead } from "./log-head.ts";
import { findSequence, readFloor, readHead } from "./log-position.ts";
import { placeEvent } from "./log-row.ts";
import { readTable, readTableEvents } from "./read-log.ts";
import { releaseDue } from "./release-due.ts";
import { isBeyond, type TakenSource, TakenSources } from "./taken-sources.ts";
import { AppendWatch } from "./watch-appends.ts";

export interface PostgresLogSettings {
  /** Of the events database, from `openPool`; ended by who opened it. */
  readonly pool: Pool;
  /** For a direct connection that listens to the appends of other processes. Without it they are found by looking. */
  readonly url?: string;
  /** How often to look for what other processes have appended, beside listening. Default 500 ms. */
  readonly pollMs?: number;
}

const defaultPollMs = 500;

/**
 * The log in tables of the events database (see `log-ddl.ts`).
 *
 * What this process appends, its readers have from memory at once. What another one appends they have as soon as it was
 * notified, and 500 ms later at the latest.
 */
export function openPostgresLog(settings: PostgresLogSettings): EventLog & AsyncDisposable {
  return new PostgresLog(settings);
}

class PostgresLog implements EventLog, AsyncDisposable {
  readonly #pool: Pool;
  readonly #head: LogHead;
  readonly #announcer: AppendAnnouncer;
  readonly #sources = new TakenSources();
  readonly #watch: AppendWatch;

  constructor({ pool, url, pollMs = defaultPollMs }: PostgresLogSettings) {
    this.#pool = pool;
    this.#head = new LogHead(pool);
    this.#announcer = new AppendAnnouncer(pool);
    this.#watch = new AppendWatch({
      client: pool,
      head: this.#head,
      announcer: this.#announcer,
      url,
      pollMs,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#announcer.stop();
    await this.#watch[Symbol.asyncDispose]();
  }

  async takeSource(fence: SourceFence): Promise<CaptureState> {
    const state = await translated(capture.takeSource(this.#pool, fence));
    this.#sources.take(fence, state);
    return state;
  }

  async append(fence: SourceFence, batch: LogBatch): Promise<void> {
    const events = await translated(inheritPositions(this.#pool, distinct(batch.events)));
    await translated(this.#sources.step(fence, (source) => this.#step(source, { ...batch, events })));
  }

  async confirm(fence: SourceFence, confirmed: Lsn): Promise<void> {
    await translated(capture.confirmSource(this.#pool, fence, confirmed));
  }

  async beginRepair(fence: SourceFence, reason: string, logWasRestored: boolean): Promise<void> {
    await translated(
      this.#sources.step(fence, async () => {
        await capture.beginRepair(this.#pool, fence, reason, logWasRestored);
        return [{ lastEventId: undefined }, undefined];
      }),
    );
    if (!logWasRestored) return;
    const { seq, epoch } = await translated(readHead(this.#pool));
    this.#head.movedBack(seq, epoch);
  }

  async appendMissing(fence: SourceFence, events: readonly CapturedEvent[]): Promise<number> {
    if (events.length === 0) return 0;
    const whole = await translated(inheritPositions(this.#pool, distinct(events)));
    const batch = { events: whole, point: undefined, confirmed: zeroLsn, checkIds: true };
    return translated(
      this.#sources.step(fence, async (source) => [
        { lastEventId: events.at(-1)?.eventId },
        await this.#appendChecked(source, batch),
      ]),
    );
  }

  async endRepair(fence: SourceFence, end: RepairEnd): Promise<void> {
    await translated(
      this.#sources.step(fence, async (source) => {
        if (!(await capture.endRepair(this.#pool, source, end))) throw await this.#refusal(source);
        return [{ point: { commitLsn: end.confirmed, rows: 0 } }, undefined];
      }),
    );
  }

  async releaseDue(limit: number): Promise<{ released: number; nextDue: Date | undefined }> {
    const { released, nextDue, head } = await translated(releaseDue(this.#pool, limit));
    if (head !== undefined) this.#movedTo(head);
    return { released, nextDue };
  }

  async read(query: LogQuery): Promise<LogPage> {
    const { after, upTo } = query;
    const end = this.#head.seq;
    if ((end !== undefined && after >= end) || (upTo !== undefined && after >= upTo)) {
      return { events: [], scannedTo: after };
    }
    const page = this.#head.tail.read(query);
    if (page !== undefined) return page;
    const { head, ...found } = await translated(readTable(this.#pool, query));
    this.#head.movedTo(head);
    return found;
  }

  async readEvents(seqs: readonly bigint[]): Promise<readonly LogEvent[]> {
    const events = seqs.flatMap((seq) => this.#head.tail.find(seq) ?? []);
    const missing = seqs.filter((seq) => this.#head.tail.find(seq) === undefined);
    const found = await translated(readTableEvents(this.#pool, missing));
    return [...events, ...found].sort((a, b) => (a.seq < b.seq ? -1 : 1));
  }

  async readHead(): Promise<{ seq: bigint; epoch: number }> {
    const head = await translated(readHead(this.#pool));
    this.#head.seen(head.seq, head.epoch);
    return head;
  }

  readFloor(): Promise<bigint> {
    return translated(readFloor(this.#pool));
  }

  findSequence(time: Date): Promise<bigint> {
    return translated(findSequence(this.#pool, time));
  }

  onAppend(listener: () => void): () => void {
    return this.#head.onMove(listener);
  }

  async #step(source: TakenSource, batch: LogBatch): Promise<readonly [Partial<TakenSource>, undefined]> {
    const { events, checkIds, confirmed } = batch;
    const last = events.at(-1);
    const beyond = isBeyond(batch.point, source.point);
    const point = beyond ? batch.point : source.point;
    if (last === undefined || !(beyond || checkIds)) {
      await capture.passSource(this.#pool, source, point, confirmed);
      return [{ point }, undefined];
    }
    if (checkIds || events.some((event) => event.deliverAfter !== undefined)) {
      await this.#appendChecked(source, { ...batch, point });
    } else {
      await this.#appendNew(source, batch);
    }
    return [{ point, lastEventId: last.eventId }, undefined];
  }

  async #appendNew(source: TakenSource, batch: LogBatch): Promise<void> {
    const to = await appendNewEvents(this.#pool, source, batch);
    if (to === undefined) throw await this.#refusal(source);
    const first = to.seq - BigInt(batch.events.length) + 1n;
    this.#head.added(
      batch.events.map((event, index) => placeEvent(event, first + BigInt(index), to.epoch)),
      to.seq,
    );
    this.#announcer.announce("");
  }

  async #appendChecked(
    source: TakenSource,
    batch: Parameters<typeof appendCheckedEvents>[2],
  ): Promise<number> {
    const done = await appendCheckedEvents(this.#pool, source, batch);
    if (done === undefined) throw await this.#refusal(source);
    this.#movedTo(done.seq);
    // Some may be delayed, and be due before anybody thinks.
    this.#head.wake();
    this.#announcer.announce("delayed");
    return done.added;
  }

  /** Why a source could not be moved. */
  async #refusal(source: TakenSource): Promise<QuartetError> {
    await capture.confirmSource(this.#pool, source, zeroLsn);
    return new QuartetError("aborted", `${source.source} has moved since it was taken.`);
  }

  #movedTo(seq: bigint): void {
    this.#head.movedTo(seq);
    this.#announcer.announce("");
  }
}

/** The first of each id. */
function distinct(events: readonly CapturedEvent[]): readonly CapturedEvent[] {
  const ids = new Set(events.map((event) => event.eventId));
  if (ids.size === events.length) return events;
  return events.filter((event) => ids.delete(event.eventId));
}

async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw translateDatabaseError(error);
  }
}
