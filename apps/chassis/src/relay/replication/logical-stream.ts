import { AcknowledgedPosition } from "./acknowledged-position.ts";
import { captureError, sqlStateError } from "./capture-fault.ts";
import { type Lsn, zeroLsn } from "./lsn.ts";
import { beginTag, logicalMessageTag } from "./pgoutput.ts";
import { ReplicationConnection } from "./replication-connection.ts";
import { encodeStatus, readFrame } from "./replication-frame.ts";
import type { ReplicationSource } from "./replication-source.ts";
import { StatusSender } from "./status-sender.ts";
import type { StreamProgress } from "./stream-progress.ts";
import { TransactionAssembler } from "./transaction-assembler.ts";
import type { TransactionPart } from "./transaction-part.ts";
import { TransactionQueue } from "./transaction-queue.ts";
import type { TransactionStream, TransactionStreamOptions } from "./transaction-stream.ts";

/** On the wire; decoded rows take twice of it. More of it makes nothing faster. */
const defaultMaxBufferedBytes = 2 * 1024 * 1024;
const defaultMaxPartBytes = 2 * 1024 * 1024;
const defaultMaxPartRows = 1_000;
const defaultStatusIntervalMs = 10_000;
const openTimeoutMs = 20_000;
/** How long a server that sets no `wal_sender_timeout` may be silent. */
const defaultSilenceMs = 60_000;

/** The stream over one replication connection: frames in, parts of transactions out, statuses back. */
export class LogicalStream implements TransactionStream {
  systemId = "";
  timeline = 0;
  readonly #source: ReplicationSource;
  readonly #options: TransactionStreamOptions;
  readonly #position = new AcknowledgedPosition();
  readonly #assembler: TransactionAssembler;
  readonly #queue: TransactionQueue;
  readonly #connection: ReplicationConnection;
  readonly #ended = new AbortController();
  readonly #onAbort = () => void this[Symbol.asyncDispose](); // never rejects
  #sender: StatusSender | undefined;
  #closing: Promise<void> | undefined;
  #sentPosition = zeroLsn;
  #dataBytes = 0;
  #walEnd = zeroLsn;
  #silenceMs = defaultSilenceMs;

  constructor(source: ReplicationSource, options: TransactionStreamOptions) {
    this.#source = source;
    this.#options = options;
    const maxBufferedBytes = options.maxBufferedBytes ?? defaultMaxBufferedBytes;
    const maxPartBytes = options.maxPartBytes ?? defaultMaxPartBytes;
    const limits = {
      maxRows: options.maxPartRows ?? defaultMaxPartRows,
      maxBytes: Math.min(maxPartBytes, maxBufferedBytes), // a part alone is not held back
    };
    this.#assembler = new TransactionAssembler(limits, (message) => options.onWarning?.(message));
    this.#queue = new TransactionQueue(maxBufferedBytes);
    this.#connection = new ReplicationConnection(source, {
      onFrame: (frame) => this.#onFrame(frame),
      onNotice: (message, routine) => this.#onNotice(message, routine),
      onFailure: (error) => this.fail(error),
    });
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Connects and starts streaming; at most 20 s. */
  async open(): Promise<void> {
    const limit = setTimeout(() => this.#connection.destroy(), openTimeoutMs);
    try {
      await this.#open();
    } finally {
      clearTimeout(limit);
    }
  }

  async #open(): Promise<void> {
    await this.#connection.connect();
    const identity = await this.#connection.identify();
    this.systemId = identity.systemId;
    this.timeline = identity.timeline;
    const { publication } = this.#source;
    if (!(await this.#connection.publicationExists(publication))) {
      throw sqlStateError("42704", `publication "${publication}" does not exist`);
    }
    await this.#connection.start(this.#source);
    if (!this.#closing) this.#startStatuses(identity.walSenderTimeoutMs);
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  get settled(): Lsn {
    return this.#position.settled;
  }

  get progress(): StreamProgress {
    return {
      dataBytes: this.#dataBytes,
      walEnd: this.#walEnd,
      paused: this.#connection.paused,
      bufferedBytes: this.#queue.bytes,
    };
  }

  acknowledge(lsn: Lsn): void {
    this.#position.acknowledge(lsn);
    if (this.#position.acknowledged > this.#sentPosition) this.#sender?.soon();
  }

  takeReceived(maxRows: number): TransactionPart[] {
    const taken: TransactionPart[] = [];
    for (let rows = 0; rows < maxRows; ) {
      const part = this.#queue.takeNow();
      if (!part) break;
      taken.push(this.#handOver(part));
      rows += part.rows.length;
    }
    return taken;
  }

  [Symbol.asyncIterator](): AsyncIterator<TransactionPart, undefined> {
    return {
      next: async () => {
        const part = await this.#queue.take();
        if (!part) return { done: true, value: undefined };
        return { done: false, value: this.#handOver(part) };
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop();
    this.#queue.end();
    if (this.#sender) this.#writeStatus(false);
    await this.#connection.close();
  }

  fail(error: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#stop();
    this.#connection.destroy();
    this.#queue.fail(captureError(`Capturing from slot ${this.#source.slot} failed`, error));
  }

  #stop(): void {
    this.#sender?.stop();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#ended.abort();
  }

  #startStatuses(walSenderTimeoutMs: number): void {
    const wanted = this.#options.statusIntervalMs ?? defaultStatusIntervalMs;
    const limit = walSenderTimeoutMs > 0 ? Math.max(1, Math.floor(walSenderTimeoutMs / 4)) : wanted;
    const intervalMs = Math.min(wanted, limit);
    this.#silenceMs = Math.max(walSenderTimeoutMs || defaultSilenceMs, intervalMs * 3);
    this.#sender = new StatusSender(intervalMs, (replyRequested) => this.#sendStatus(replyRequested));
  }

  #sendStatus(replyRequested: boolean): void {
    const { paused, silentMs } = this.#connection;
    if (!paused && silentMs > this.#silenceMs) {
      this.fail(sqlStateError("08006", `The server has been silent for ${Math.round(silentMs)} ms.`));
      return;
    }
    this.#writeStatus(replyRequested);
  }

  #writeStatus(replyRequested: boolean): void {
    this.#sentPosition = this.#position.acknowledged;
    this.#connection.send(encodeStatus(this.#sentPosition, replyRequested));
  }

  #onFrame(frame: Buffer): void {
    const head = readFrame(frame);
    if (head.kind === "data") {
      this.#onMessage(frame, head.offset);
      return;
    }
    if (head.walEnd > this.#walEnd) this.#walEnd = head.walEnd;
    this.#position.pass(head.walEnd);
    if (head.replyRequested) this.#sender?.soon();
  }

  #onMessage(frame: Buffer, offset: number): void {
    this.#dataBytes += frame.length;
    const tag = frame[offset];
    if (tag === beginTag) this.#position.begin();
    if (tag !== logicalMessageTag) this.#queue.grow(frame.length); // of a message nothing is kept
    const part = this.#assembler.add(frame, offset);
    if (part) this.#onPart(part);
    if (this.#queue.full && !this.#connection.paused) this.#connection.pause();
  }

  #onPart(part: TransactionPart): void {
    const { commitEndLsn, firstRow, rows } = part;
    if (commitEndLsn !== undefined && firstRow === 0 && rows.length === 0) {
      this.#queue.dropPartial();
      this.#position.commitPassed(commitEndLsn);
      return;
    }
    if (commitEndLsn !== undefined) this.#position.commit(commitEndLsn);
    this.#queue.push(part);
  }

  /** From 18 on the server warns and sends nothing where the publication is missing, so events would be lost. */
  #onNotice(message: string, routine: string): void {
    if (routine !== "LoadPublications") return;
    throw sqlStateError("42704", `${message}: the publication was missing when events were written`);
  }

  #handOver(part: TransactionPart): TransactionPart {
    if (part.commitEndLsn !== undefined) this.#position.handOver(part.commitEndLsn);
    if (this.#connection.paused && this.#queue.drained) this.#connection.resume();
    return part;
  }
}
