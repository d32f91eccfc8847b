import type { TestServer } from "../../src/cluster/postgres/test-database.ts";
import type { RelayPlan } from "./relay-plan.ts";
import type { Side } from "./side.ts";

/** What every part of the suite works with. */
export interface SuiteParts {
  readonly server: TestServer;
  readonly plan: RelayPlan;
  /** Those that run here. */
  readonly peers: readonly Side[];
  readonly log: (line: string) => void;
}
