import { setTimeout as sleep } from "node:timers/promises";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { defaultMetrics } from "../../edge/metrics/default-metrics.ts";
import type { RelayObserver } from "../relay-observer.ts";
import type { RelayGauges } from "./read-gauges.ts";
import type { RetainedWal } from "./read-retained-wal.ts";

/** The metrics of a relay process, in the text format of Prometheus 0.0.4. */
export interface RelayMetrics {
  /** Counts what the process does. */
  readonly observer: RelayObserver;
  readonly contentType: string;
  /**
   * The page, with gauges read now, for all who ask meanwhile at once. When they cannot be read in time, the counters are
   * there, `quartet_relay_up` is 0, and no gauge has a number of before.
   */
  format(): Promise<string>;
}

const pushSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Reads the state of the deployment; called for each scrape. What rejects is left out of the page. */
export interface GaugeReaders {
  readonly readGauges: () => Promise<RelayGauges>;
  readonly readRetainedWal: () => Promise<readonly RetainedWal[]>;
}

/** Half of what Prometheus waits for a page, unless it is told otherwise. */
const longestReadMs = 5_000;

export function createRelayMetrics(readers: GaugeReaders, limitMs = longestReadMs): RelayMetrics {
  const registry = new Registry();
  const gauges = createGauges(registry);
  const readGauges = shareReads(readers.readGauges, limitMs);
  const readRetainedWal = shareReads(readers.readRetainedWal, limitMs);
  return {
    observer: createObserver(registry),
    contentType: registry.contentType,
    format: async () => {
      const [values, retained = []] = await Promise.all([readGauges(), readRetainedWal()]);
      setGauges(gauges, values);
      gauges.retainedWal.reset();
      for (const { source, bytes } of retained) gauges.retainedWal.set({ source }, bytes);
      return `${await registry.metrics()}${await defaultMetrics().metrics()}`;
    },
  };
}

/**
 * Has whoever asks while a read is under way share it: scrapes of a database that hangs do not pile up. Undefined when it
 * rejects, or is not there in time.
 */
function shareReads<T>(read: () => Promise<T>, limitMs: number): () => Promise<T | undefined> {
  let running: Promise<T | undefined> | undefined;
  return async () => {
    running ??= read()
      .catch(() => undefined)
      .finally(() => {
        running = undefined;
      });
    const controller = new AbortController();
    const limit = sleep(limitMs, undefined, { signal: controller.signal }).catch(() => undefined);
    try {
      return await Promise.race([running, limit]);
    } finally {
      controller.abort();
    }
  };
}

function createObserver(registry: Registry): RelayObserver {
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  const captured = counter("quartet_relay_captured_events_total", "Events put into the log.", ["source"]);
  const repairs = counter("quartet_relay_repairs_total", "Repairs from the outbox table.", [
    "source",
    "reason",
  ]);
  const repaired = counter("quartet_relay_repaired_events_total", "Events that repairs have found.", [
    "source",
  ]);
  const pushed = counter("quartet_relay_pushed_events_total", "Events pushed, by what came of it.", [
    "subscription",
    "outcome",
  ]);
  const buried = counter("quartet_relay_dead_letters_total", "Events that became dead letters.", [
    "subscription",
  ]);
  const seconds = new Histogram({
    name: "quartet_relay_push_seconds",
    help: "Time of a push, from request to answer.",
    labelNames: ["subscription"],
    buckets: pushSeconds,
    registers: [registry],
  });
  return {
    captured: (source, events) => captured.inc({ source }, events),
    repaired: (source, reason, events) => {
      repairs.inc({ source, reason });
      repaired.inc({ source }, events);
    },
    pushed: (subscription, outcome, events, durationMs) => {
      pushed.inc({ subscription, outcome }, events);
      seconds.observe({ subscription }, durationMs / 1_000);
    },
    buried: (subscription) => buried.inc({ subscription }),
  };
}

function createGauges(registry: Registry) {
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
  return {
    up: gauge("quartet_relay_up", "1 when the events database answers."),
    head: gauge("quartet_log_head", "Newest sequence of the log."),
    lagEvents: gauge("quartet_subscription_lag_events", "Events of the log not passed.", ["subscription"]),
    lagSeconds: gauge("quartet_subscription_lag_seconds", "Age of the oldest event not passed.", [
      "subscription",
    ]),
    parked: gauge("quartet_subscription_parked_events", "Events that wait for another attempt.", [
      "subscription",
    ]),
    paused: gauge("quartet_subscription_paused", "1 while nothing is pushed.", ["subscription"]),
    deadLetters: gauge("quartet_dead_letters", "Dead letters that nobody has seen to.", ["subscription"]),
    delayed: gauge("quartet_delayed_events", "Events whose time has not come."),
    repairDue: gauge("quartet_capture_repair_due", "1 while an outbox waits for a repair.", ["source"]),
    retainedWal: gauge("quartet_slot_retained_bytes", "WAL that the slot of an outbox holds.", ["source"]),
    unheld: gauge("quartet_relay_leases_unheld", "Leases that no process holds."),
  };
}

function setGauges(gauges: ReturnType<typeof createGauges>, values: RelayGauges | undefined): void {
  gauges.up.set(values === undefined ? 0 : 1);
  const { lagEvents, lagSeconds, parked, paused, deadLetters, repairDue, head, delayed, unheld } = gauges;
  // What is gone from the database must not stay here; and an old number is worse than none.
  for (const gauge of [lagEvents, lagSeconds, parked, paused, deadLetters, repairDue]) gauge.reset();
  for (const gauge of [head, delayed, unheld]) gauge.remove();
  if (values === undefined) return;
  head.set(Number(values.head));
  delayed.set(values.delayed);
  unheld.set(values.unheldLeases);
  for (const { name: subscription, ...state } of values.subscriptions) {
    lagEvents.set({ subscription }, state.lagEvents);
    lagSeconds.set({ subscription }, state.lagSeconds);
    parked.set({ subscription }, state.parked);
    paused.set({ subscription }, state.paused ? 1 : 0);
  }
  for (const { subscription, count } of values.deadLetters) deadLetters.set({ subscription }, count);
  for (const { source, repairDue: due } of values.captures) repairDue.set({ source }, due ? 1 : 0);
}
