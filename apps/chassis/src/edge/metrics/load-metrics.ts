import type { Pool } from "pg";
import type { Registry } from "prom-client";
import type { Admission } from "../overload/admission.ts";
import { addCounter, addGauge, type Sample } from "./scraped.ts";

/** What is under way, waits and was refused. */
export function addAdmissionMetrics(registry: Registry, admission: Admission): void {
  addGauge(
    registry,
    {
      name: "quartet_requests_in_flight",
      help: "Requests that were let in: work; those that read an operation, or wait for its end.",
      labels: ["lane"],
    },
    () => {
      const { inFlight, operation, waiting } = admission.describe();
      return byLabel("lane", { work: inFlight, operation, waiting });
    },
  );
  addGauge(
    registry,
    { name: "quartet_requests_in_flight_limit", help: "How much work is let in at once, as it was found." },
    () => [[{}, admission.describe().limit]],
  );
  addGauge(
    registry,
    { name: "quartet_requests_queued", help: "Requests that wait for their turn.", labels: ["lane"] },
    () => byLabel("lane", admission.describe().queued),
  );
  addGauge(
    registry,
    { name: "quartet_requests_queued_limit", help: "How many may wait; all others are refused." },
    () => [[{}, admission.describe().maxQueued]],
  );
  addCounter(
    registry,
    {
      name: "quartet_requests_shed_total",
      help: "Requests refused with 503, as there was too much to do.",
      labels: ["lane"],
    },
    () => byLabel("lane", admission.describe().refused),
  );
}

/** @param pools by what they are for */
export function addPoolMetrics(registry: Registry, pools: Readonly<Record<string, Pool>>): void {
  const gauge = (name: string, help: string, read: (pool: Pool) => number) =>
    addGauge(registry, { name: `quartet_pool_${name}`, help, labels: ["pool"] }, () =>
      Object.entries(pools).map(([pool, each]) => [{ pool }, read(each)]),
    );
  gauge("connections", "Database connections.", (pool) => pool.totalCount);
  gauge("idle_connections", "Database connections that nobody uses.", (pool) => pool.idleCount);
  gauge("max_connections", "Database connections that there may be.", (pool) => pool.options.max);
  gauge("waiting", "Those who wait for a database connection.", (pool) => pool.waitingCount);
}

function byLabel(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => [{ [label]: name }, value]);
}
