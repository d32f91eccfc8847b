import type { Pool } from "pg";
import { Gauge, Registry } from "prom-client";
import type { ServiceClass } from "../../class/service-class.ts";
import type { MainDatabase } from "../../command/runtime.ts";
import { countOpenSagas } from "../../command/saga/count-open-sagas.ts";
import type { FlagBook } from "../../flags/flag-book.ts";
import { readReplicaLag } from "../../position/replica-lag.ts";
import type { Domain } from "../../service/domain.ts";
import type { Admission } from "../overload/admission.ts";
import type { DownGuard } from "../overload/down-guard.ts";
import type { ClassUpstreams } from "../upstream/class-upstreams.ts";
import { addFlagMetrics } from "./flag-metrics.ts";
import { addAdmissionMetrics, addPoolMetrics } from "./load-metrics.ts";
import { createMetricsPage, type MetricsPage } from "./metrics-page.ts";
import { RequestMetrics } from "./request-metrics.ts";
import { addGauge, type Sample } from "./scraped.ts";
import { TimedReading } from "./timed-reading.ts";
import { addBreakerMetrics, addUpstreamMetrics } from "./upstream-metrics.ts";

/** The parts of a class process that its metrics tell of. */
export interface ClassParts {
  readonly domain: Domain;
  readonly serviceClass: ServiceClass;
  readonly admission: Admission;
  /** By what they are for. */
  readonly pools: Readonly<Record<string, Pool>>;
  readonly upstreams: ClassUpstreams;
  readonly guard: DownGuard;
  readonly flags: FlagBook;
  readonly main: MainDatabase | undefined;
}

/** The metrics of a class process. */
export interface ClassMetrics extends MetricsPage {
  /** Of all its listeners. */
  readonly requests: RequestMetrics;
}

/** What the database is asked for: however many scrape, and whatever it has to do. */
const databaseLimits = { everyMs: 15_000, waitMs: 1_000 };

export function createClassMetrics(parts: ClassParts): ClassMetrics {
  const { domain, serviceClass, main } = parts;
  const registry = new Registry();
  const info = new Gauge({
    name: "quartet_process",
    help: "What this process is: always 1.",
    labelNames: ["class", "domain"],
    registers: [registry],
  });
  info.set({ class: serviceClass, domain: domain.name }, 1);
  const requests = new RequestMetrics(registry, { prefix: "quartet", label: "method" });
  addAdmissionMetrics(registry, parts.admission);
  addPoolMetrics(registry, parts.pools);
  addUpstreamMetrics(registry, parts.upstreams, parts.guard);
  addBreakerMetrics(registry, parts.upstreams, parts.guard);
  addFlagMetrics(registry, parts.flags);
  if (main !== undefined) {
    addWaiting(registry, main);
    if (serviceClass === "crud") addSagas(registry, main.pool);
    else addReplica(registry, main.pool);
  }
  return { requests, ...createMetricsPage(registry) };
}

function addWaiting(registry: Registry, { operations, replay }: MainDatabase): void {
  addGauge(
    registry,
    { name: "quartet_operations_awaited", help: "Operations whose end requests here wait for." },
    () => [[{}, operations.awaited]],
  );
  addGauge(
    registry,
    { name: "quartet_position_waiters", help: "Requests that wait for the replica to reach a position." },
    () => [[{}, replay.waiting]],
  );
}

function addSagas(registry: Registry, pool: Pool): void {
  const sagas = addReading(registry, "sagas", () => countOpenSagas(pool));
  const labels = ["saga", "status"];
  addGauge(
    registry,
    { name: "quartet_sagas", help: "Runs of sagas that have not ended; 2,000 a status at most.", labels },
    async () => ((await sagas.take()) ?? []).map(({ saga, status, count }) => [{ saga, status }, count]),
  );
  addGauge(
    registry,
    { name: "quartet_sagas_oldest_seconds", help: "Since the first of these runs began.", labels },
    async () =>
      ((await sagas.take()) ?? []).map(({ saga, status, oldestSeconds }) => [
        { saga, status },
        oldestSeconds,
      ]),
  );
}

function addReplica(registry: Registry, pool: Pool): void {
  const lag = addReading(registry, "replica", () => readReplicaLag(pool));
  const gauge = (name: string, help: string, pick: (value: ReplicaValues) => number | undefined) =>
    addGauge(registry, { name: `quartet_replica_${name}`, help }, async (): Promise<Sample[]> => {
      const found = await lag.take();
      const value = found && pick(found);
      return value === undefined ? [] : [[{}, value]];
    });
  gauge("streaming", "1 while the replica is connected to its primary.", ({ streaming }) =>
    streaming ? 1 : 0,
  );
  gauge(
    "lag_seconds",
    "Age of the newest commit that the replica shows; 0 when it shows all that it received.",
    ({ seconds }) => seconds,
  );
  gauge("lag_bytes", "WAL that the replica has received, and does not show yet.", ({ bytes }) => bytes);
}

type ReplicaValues = NonNullable<Awaited<ReturnType<typeof readReplicaLag>>>;

/** Something read from the database, with a gauge that tells whether it could be. */
function addReading<T>(registry: Registry, name: string, read: () => Promise<T>): TimedReading<T> {
  let ok = false;
  const reading = new TimedReading(async () => {
    ok = false;
    const value = await read();
    ok = true;
    return value;
  }, databaseLimits);
  const labels = { reading: name };
  addGauge(
    registry,
    {
      name: "quartet_metrics_reading_up",
      help: "0 when these metrics are not on the page, as the database did not tell them in time.",
      labels: ["reading"],
    },
    async () => {
      await reading.take();
      return [[labels, ok ? 1 : 0]];
    },
  );
  return reading;
}
