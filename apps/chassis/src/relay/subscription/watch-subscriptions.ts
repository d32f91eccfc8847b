import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import { readSubscriptionRow, readSubscriptionRows, type SubscriptionRow } from "./subscription-rows.ts";

/** A subscription, and when it is another. */
export interface WatchedSubscription extends Disposable {
  readonly subscription: Subscription;
  /** Aborts when its row has changed or is gone. */
  readonly changed: AbortSignal;
}

interface Watcher {
  readonly name: string;
  readonly version: string;
  readonly controller: AbortController;
}

const readMs = 500;

/** The subscriptions as they are, read again and again while it runs. */
export class SubscriptionWatch {
  readonly #client: SqlClient;
  readonly #logger: Logger;
  readonly #watchers = new Set<Watcher>();
  #rows: ReadonlyMap<string, SubscriptionRow> | undefined;

  constructor(client: SqlClient, logger: Logger) {
    this.#client = client;
    this.#logger = logger;
  }

  /** Names of those that are not paused; undefined until they were read. */
  get active(): readonly string[] | undefined {
    if (this.#rows === undefined) return undefined;
    return [...this.#rows.values()].flatMap(({ subscription: { name, paused } }) => (paused ? [] : [name]));
  }

  /** Reads one as it is now. Undefined when there is none of that name. To be disposed. */
  async watch(name: string): Promise<WatchedSubscription | undefined> {
    const row = await readSubscriptionRow(this.#client, name);
    if (row === undefined) return undefined;
    const watcher: Watcher = { name, version: row.version, controller: new AbortController() };
    this.#watchers.add(watcher);
    return {
      subscription: row.subscription,
      changed: watcher.controller.signal,
      [Symbol.dispose]: () => this.#watchers.delete(watcher),
    };
  }

  /** Runs until the signal aborts. A fault is told once, and waited out. */
  async run(signal: AbortSignal): Promise<void> {
    let failing = false;
    while (!signal.aborted) {
      try {
        await this.#read();
        failing = false;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (!failing) this.#logger.warn({ reason }, "could not read the subscriptions; trying again");
        failing = true;
      }
      await delay(readMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #read(): Promise<void> {
    // Whoever comes to watch meanwhile may know a later version than this reads.
    const watchers = [...this.#watchers];
    const rows = await readSubscriptionRows(this.#client, this.#rows ?? new Map());
    this.#rows = rows;
    for (const { name, version, controller } of watchers) {
      if (rows.get(name)?.version !== version) controller.abort();
    }
  }
}
