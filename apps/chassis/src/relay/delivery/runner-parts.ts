import type { Pool } from "pg";
import type { Logger } from "pino";
import type { Domain } from "../../service/domain.ts";
import type { EventLog } from "../log/event-log.ts";
import type { PushSettings } from "../push/push-plan.ts";
import type { RelayObserver } from "../relay-observer.ts";

/** What all subscriptions of a relay share. */
export interface RunnerParts {
  /** Of the events database. */
  readonly pool: Pool;
  readonly log: EventLog;
  readonly domain: Domain;
  readonly push: PushSettings;
  readonly logger: Logger;
  readonly observer: RelayObserver;
  /** Is told where a run is. What it throws ends the run there, and nothing more is stored, as in a crash: for tests. */
  readonly onPoint?: (point: DeliveryPoint) => void;
}

/**
 * - `pushed`: an answer is in, and nothing is noted of it.
 * - `parked`, `settled`: the database has it, and memory does not.
 * - `checkpoint`: the cursor is about to be moved.
 */
export type DeliveryPoint = "pushed" | "parked" | "settled" | "checkpoint";
