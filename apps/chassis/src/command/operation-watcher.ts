import { setTimeout as delay } from "node:timers/promises";
import type { Registry } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import type { OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { operationReader } from "./operations.ts";

interface Waiter {
  readonly resolve: (record: OperationRecord | undefined) => void;
  readonly reject: (error: unknown) => void;
}

const pollMs = 5;
const faultPauseMs = 100;

/**
 * Waits for operations to end, as this process' database shows them. However many requests wait, one query per tick
 * asks for all of them; none asks while nobody waits.
 */
export class OperationWatcher {
  readonly #pool: Pool;
  readonly #registry: Registry;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #polling: Promise<void> | undefined;

  constructor(pool: Pool, registry: Registry) {
    this.#pool = pool;
    this.#registry = registry;
  }

  /** The ended operation, or undefined when it has not ended by `deadlineMs` (epoch) or `signal` aborts. */
  async wait(
    operationId: string,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<OperationRecord | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<OperationRecord | undefined>();
    const waiters = this.#waiters.get(operationId) ?? new Set();
    const waiter: Waiter = { resolve, reject };
    this.#waiters.set(operationId, waiters.add(waiter));
    const giveUp = () => resolve(undefined);
    const timer = setTimeout(giveUp, Math.max(0, deadlineMs - Date.now()));
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    this.#polling ??= this.#poll();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      waiters.delete(waiter);
      if (waiters.size === 0) this.#waiters.delete(operationId);
    }
  }

  async #poll(): Promise<void> {
    try {
      while (this.#waiters.size > 0) {
        const pause = await this.#ask().then(
          () => pollMs,
          // The waiters' own limits tell them; the database may come back before.
          () => faultPauseMs,
        );
        await delay(pause);
      }
    } finally {
      this.#polling = undefined;
    }
  }

  async #ask(): Promise<void> {
    const reader = operationReader(this.#pool, this.#registry);
    const ended = await this.#pool.query<{ operation_id: string }>({
      name: "ended operations",
      text: `select operation_id from quartet.operation where operation_id = any($1::text[])
  and state in ('OPERATION_STATE_COMMITTED', 'OPERATION_STATE_FAILED')`,
      values: [[...this.#waiters.keys()]],
    });
    await Promise.all(
      ended.rows.map(async ({ operation_id: id }) => {
        const waiters = this.#waiters.get(id) ?? new Set();
        try {
          const record = await reader.get(id);
          if (record !== undefined) for (const waiter of waiters) waiter.resolve(record);
        } catch (error) {
          // An answer that this build cannot read is its waiters' fault to hear of, and nobody else's.
          for (const waiter of waiters) waiter.reject(error);
        }
      }),
    );
  }
}
