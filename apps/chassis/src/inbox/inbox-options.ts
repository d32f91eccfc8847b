import type { Pool, PoolClient } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { parseSecret } from "../wire/webhook/webhook-signature.ts";
import type { InboxEvent } from "./inbox-event.ts";
import { inboxTableName } from "./inbox-table.ts";
import type { PushRules } from "./read-push.ts";

/** How an inbox receives. */
export type InboxOptions = InboxSettings & (PerEvent | PerBatch);

interface InboxSettings {
  /** The database of the effects. It has the inbox' table: see `inboxTableSql`. `maxTransactions` of its connections are used. */
  readonly pool: Pool;
  /**
   * Secrets of Standard Webhooks (`whsec_…`): a push is taken when any of them signed it. During rotation, the new one and
   * the old one. `none` takes what anybody sends: only behind something that has checked it.
   */
  readonly secrets: readonly string[] | "none";
  /**
   * Under which name effects are remembered: an event has its effect once for each. By default the subscription that a
   * Quartet relay pushes for, and the source of other senders' events. Give a name, and keep it, when subscriptions may be
   * renamed or when several of them bring the same events.
   */
  readonly consumer?: string;
  /** `schema.name` of the inbox' table. By default `quartet.inbox`. */
  readonly table?: string;
  /** Longest body. By default 8 MiB. */
  readonly maxBodyBytes?: number;
  /** Bodies taken in and not yet answered, all together; past it pushes are answered 429. By default 64 MiB. */
  readonly maxWaitingBytes?: number;
  /** Events in one transaction, at most. By default 100. */
  readonly maxBatch?: number;
  /** Transactions at once, at most. By default 4. Events of one key are never in two of them. */
  readonly maxTransactions?: number;
  /**
   * Longest time that the handler may take for one call, with all statements that it has sent. By default 10 s; a relay
   * waits no longer by default.
   */
  readonly handlerTimeoutMs?: number;
  /**
   * Told what was thrown: for an event, or for a push that could not be read; and of each statement that came too late, for
   * the event if its transaction had no other. By default it is printed.
   */
  readonly onError?: (error: unknown, event: InboxEvent | undefined) => void;
}

interface PerEvent {
  /**
   * The effect of one event, in the transaction that remembers it. It may run more than once and is committed once, so it
   * must do nothing that a rollback does not undo. It may share its transaction with others, which run before and after it,
   * and beside it only when `sideBySide` says so. Never end the transaction, and let errors of the database pass.
   *
   * `tx` is a connection of the pool for as long as the transaction lasts. Await every statement: what was sent and not
   * awaited is waited for, as a part of the handler, but what is asked for later is refused, and told to `onError`.
   * Its `release()` does nothing.
   *
   * The code of a `QuartetError` tells the sender whether to try again (`error-codes.ts`); any other error is a 500, which
   * is tried again.
   */
  handle(tx: PoolClient, event: InboxEvent): Promise<void>;
  /**
   * Handlers that share a transaction run side by side, those of one key one after the other: what each waits for, the
   * others do not, and their statements go to the server together. Needs a pool of `pipeline: true`, and handlers that take
   * no savepoint and set nothing for the transaction. By default false.
   */
  readonly sideBySide?: boolean;
  readonly handleBatch?: never;
}

interface PerBatch {
  /**
   * The effects of several new events, in order; else as `handle`. When it throws it is asked for each event alone, which
   * tells the bad one.
   */
  handleBatch(tx: PoolClient, events: readonly InboxEvent[]): Promise<void>;
  readonly handle?: never;
  readonly sideBySide?: never;
}

/** Options with their defaults, checked. */
export interface CheckedOptions {
  readonly rules: PushRules;
  readonly tableName: string;
  readonly maxWaitingBytes: number;
  readonly maxBatch: number;
  readonly maxTransactions: number;
  readonly handlerTimeoutMs: number;
}

const mebibyte = 1_048_576;

/** @throws QuartetError `invalid_argument` with the option as `field`. */
export function checkInboxOptions(options: InboxOptions): CheckedOptions {
  if ((options.handle === undefined) === (options.handleBatch === undefined)) {
    throw new QuartetError("invalid_argument", "An inbox has either handle or handleBatch.", {
      field: "handle",
    });
  }
  // One statement at a time is all that other connections of pg take.
  if (options.sideBySide === true && options.pool.options.pipeline !== true) {
    throw new QuartetError(
      "invalid_argument",
      "Handlers side by side need a pool that sends statements together.",
      {
        field: "sideBySide",
        fix: "Open the pool with pipeline: true.",
      },
    );
  }
  const { secrets } = options;
  if (secrets.length === 0) {
    throw new QuartetError("invalid_argument", "Without a secret no push can be told from a forged one.", {
      field: "secrets",
      fix: 'Give a secret; or "none", to take what anybody sends.',
    });
  }
  return {
    rules: {
      secrets: secrets === "none" ? "none" : secrets.map(parseSecret),
      maxBodyBytes: atLeastOne("maxBodyBytes", options.maxBodyBytes ?? 8 * mebibyte),
    },
    tableName: inboxTableName(options.table),
    maxWaitingBytes: atLeastOne("maxWaitingBytes", options.maxWaitingBytes ?? 64 * mebibyte),
    maxBatch: atLeastOne("maxBatch", options.maxBatch ?? 100),
    maxTransactions: atLeastOne("maxTransactions", options.maxTransactions ?? 4),
    handlerTimeoutMs: atLeastOne("handlerTimeoutMs", options.handlerTimeoutMs ?? 10_000),
  };
}

function atLeastOne(field: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new QuartetError("invalid_argument", `${field} is ${value}, not a whole number from 1.`, { field });
}
