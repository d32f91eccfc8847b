import { setTimeout as delay } from "node:timers/promises";
import type { Registry } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import type { OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { isEnded, operationReader } from "./operations.ts";

const pollMs = 5;
const faultPauseMs = 100;

/**
 * Waits for operations to end, as this process' database shows them. However many requests wait, one query per tick
 * asks for all of them; none asks while nobody waits.
 */
export class OperationWatcher {
  readonly #pool: Pool;
  readonly #registry: Registry;
  readonly #waiters = new Map<string, Set<(record: OperationRecord) => void>>();
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
    const { promise, resolve } = Promise.withResolvers<OperationRecord | undefined>();
    const waiters = this.#waiters.get(operationId) ?? new Set();
    this.#waiters.set(operationId, waiters.add(resolve));
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
      waiters.delete(resolve);
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
    for (const record of await reader.getMany([...this.#waiters.keys()])) {
      if (!isEnded(record)) continue;
      for (const resolve of this.#waiters.get(record.operationId) ?? []) resolve(record);
    }
  }
}
