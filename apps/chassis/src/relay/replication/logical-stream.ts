import { performance } from "node:perf_hooks";
import { AcknowledgedPosition } from "./acknowledged-position.ts";
import { captureError, sqlStateError } from "./capture-fault.ts";
import type { CapturedTransaction } from "./captured-transaction.ts";
import { type Lsn, zeroLsn } from "./lsn.ts";
import { decodePgoutput } from "./pgoutput.ts";
import type { PgoutputMessage } from "./pgoutput-message.ts";
import { ReplicationConnection } from "./replication-connection.ts";
import { encodeStatus, readFrame } from "./replication-frame.ts";
import type { ReplicationSource } from "./replication-source.ts";
import { StatusSender } from "./status-sender.ts";
import { TransactionAssembler } from "./transaction-assembler.ts";
import { TransactionQueue } from "./transaction-queue.ts";
import type { TransactionStream, TransactionStreamOptions } from "./transaction-stream.ts";

const defaultMaxBufferedBytes = 16 * 1024 * 1024;
const defaultStatusIntervalMs = 10_000;
const openTimeoutMs = 20_000;
/** How long a server that sets no `wal_sender_timeout` may be silent. */
const defaultSilenceMs = 60_000;

/** The stream over one replication connection: frames in, transactions out, statuses back. */
export class LogicalStream implements TransactionStream {
  systemId = "";
  timeline = 0;
  readonly #source: ReplicationSource;
  readonly #options: TransactionStreamOptions;
  readonly #startAfter: Lsn;
  readonly #position = new AcknowledgedPosition();
  readonly #assembler: TransactionAssembler;
  readonly #queue: TransactionQueue;
  readonly #connection: ReplicationConnection;
  readonly #onAbort = () => void this[Symbol.asyncDispose](); // never rejects
  #sender: StatusSender | undefined;
  #closing: Promise<void> | undefined;
  #handedOver = zeroLsn;
  #sentPosition = zeroLsn;
  #paused = false;
  #heardAt = 0;
  #silenceMs = defaultSilenceMs;

  constructor(source: ReplicationSource, options: TransactionStreamOptions) {
    this.#source = source;
    this.#options = options;
    this.#startAfter = options.startAfter ?? zeroLsn;
    this.#assembler = new TransactionAssembler((message) => options.onWarning?.(message));
    this.#queue = new TransactionQueue(options.maxBufferedBytes ?? defaultMaxBufferedBytes);
    this.#connection = new ReplicationConnection(source, {
      onFrame: (frame) => this.#onFrame(frame),
      onNotice: (message, routine) => this.#onNotice(message, routine),
      onFailure: (error) => this.#fail(error),
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

  acknowledge(lsn: Lsn): void {
    this.#position.acknowledge(lsn < this.#handedOver ? lsn : this.#handedOver);
    this.#report();
  }

  takeReceived(limit: number): CapturedTransaction[] {
    const taken: CapturedTransaction[] = [];
    while (taken.length < limit) {
      const transaction = this.#queue.takeNow();
      if (!transaction) break;
      taken.push(this.#handOver(transaction));
    }
    return taken;
  }

  [Symbol.asyncIterator](): AsyncIterator<CapturedTransaction, undefined> {
    return {
      next: async () => {
        const transaction = await this.#queue.take();
        if (!transaction) return { done: true, value: undefined };
        return { done: false, value: this.#handOver(transaction) };
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopTimers();
    this.#queue.end();
    if (this.#sender) this.#writeStatus(false);
    await this.#connection.close();
  }

  #fail(error: unknown): void {
    if (this.#closing) return;
    this.#stopTimers();
    this.#connection.destroy();
    this.#queue.fail(captureError(`Capturing from slot ${this.#source.slot} failed`, error));
  }

  #stopTimers(): void {
    this.#sender?.stop();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
  }

  #startStatuses(walSenderTimeoutMs: number): void {
    const wanted = this.#options.statusIntervalMs ?? defaultStatusIntervalMs;
    const limit = walSenderTimeoutMs > 0 ? Math.max(1, Math.floor(walSenderTimeoutMs / 4)) : wanted;
    const intervalMs = Math.min(wanted, limit);
    this.#silenceMs = Math.max(walSenderTimeoutMs || defaultSilenceMs, intervalMs * 3);
    this.#heardAt = performance.now();
    this.#sender = new StatusSender(intervalMs, (replyRequested) => this.#sendStatus(replyRequested));
  }

  #sendStatus(replyRequested: boolean): void {
    const silentMs = performance.now() - this.#heardAt;
    if (!this.#paused && silentMs > this.#silenceMs) {
      this.#fail(sqlStateError("08006", `The server has been silent for ${Math.round(silentMs)} ms.`));
      return;
    }
    this.#writeStatus(replyRequested);
  }

  #writeStatus(replyRequested: boolean): void {
    this.#sentPosition = this.#position.acknowledged;
    this.#connection.send(encodeStatus(this.#sentPosition, replyRequested));
  }

  #report(): void {
    if (this.#position.acknowledged > this.#sentPosition) this.#sender?.moved();
  }

  #onFrame(frame: Buffer): void {
    this.#heardAt = performance.now();
    const head = readFrame(frame);
    if (head.kind === "data") {
      this.#onMessage(decodePgoutput(frame, head.offset), frame.length);
      return;
    }
    this.#position.pass(head.walEnd);
    if (head.replyRequested) this.#sender?.reply();
    else this.#report();
  }

  #onMessage(message: PgoutputMessage, bytes: number): void {
    if (message.kind === "begin") this.#position.begin();
    this.#queue.grow(bytes);
    const transaction = this.#assembler.add(message);
    if (transaction) this.#onTransaction(transaction);
    if (!this.#paused && this.#queue.full) {
      this.#paused = true;
      this.#connection.pause();
    }
  }

  #onTransaction(transaction: CapturedTransaction): void {
    const { commitEndLsn, rows } = transaction;
    if (rows.length === 0 || commitEndLsn <= this.#startAfter) {
      this.#queue.dropPartial();
      this.#position.commitPassed(commitEndLsn);
      this.#report();
      return;
    }
    this.#position.commit(commitEndLsn);
    this.#queue.push(transaction);
  }

  /** From 18 on the server warns and sends nothing where the publication is missing, so events would be lost. */
  #onNotice(message: string, routine: string): void {
    if (routine !== "LoadPublications") return;
    throw sqlStateError("42704", `${message}: the publication was missing when events were written`);
  }

  #handOver(transaction: CapturedTransaction): CapturedTransaction {
    this.#handedOver = transaction.commitEndLsn;
    if (this.#paused && this.#queue.drained) {
      this.#paused = false;
      this.#heardAt = performance.now();
      this.#connection.resume();
    }
    return transaction;
  }
}
