import { setTimeout as delay } from "node:timers/promises";
import type { SqlClient } from "../../sql/sql-client.ts";
import type { AppendAnnouncer } from "./append-announcer.ts";
import { runAppendListener } from "./listen-appends.ts";
import type { LogHead } from "./log-head.ts";
import { readPulse } from "./log-position.ts";

export interface AppendWatchParts {
  readonly client: SqlClient;
  readonly head: LogHead;
  readonly announcer: AppendAnnouncer;
  /** Where to listen; undefined: only look. */
  readonly url: string | undefined;
  readonly pollMs: number;
}

/** Looks at the head of the log when another process says that it appended, and again and again beside, until disposed. */
export class AppendWatch implements AsyncDisposable {
  readonly #parts: AppendWatchParts;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #looking: Promise<void> | undefined;
  #lookAgain = false;

  constructor(parts: AppendWatchParts) {
    this.#parts = parts;
    const { signal } = this.#stop;
    const onAppend = (payload: string) => void this.#notified(payload);
    const listening = parts.url === undefined ? undefined : runAppendListener(parts.url, onAppend, signal);
    this.#running = Promise.all([this.#poll(signal), listening]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#looking;
  }

  async #notified(payload: string): Promise<void> {
    await this.#look();
    if (payload === "delayed") this.#parts.head.wake();
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#look();
      await delay(this.#parts.pollMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** One look at a time; what is asked for meanwhile is one more. One that fails is made up for by the next. */
  #look(): Promise<void> {
    this.#lookAgain = true;
    this.#looking ??= this.#lookWhileAsked()
      .catch(() => undefined)
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  async #lookWhileAsked(): Promise<void> {
    while (this.#lookAgain && !this.#stop.signal.aborted) {
      this.#lookAgain = false;
      await this.#lookOnce();
    }
  }

  async #lookOnce(): Promise<void> {
    const { client, head, announcer } = this.#parts;
    const known = head.seq;
    const { seq, epoch, processes } = await readPulse(client);
    announcer.othersLive = processes > 1;
    // Less than what was known before it was asked: not a late answer, but another database.
    if (known !== undefined && seq < known) head.movedBack(seq, epoch);
    else head.seen(seq, epoch);
  }
}
