import { performance } from "node:perf_hooks";
import { collectDefaultMetrics, Histogram, Registry } from "prom-client";
import { addCounter } from "./scraped.ts";

/** What watches Node can never be stopped again: there is one of it, however many pages tell of it. */
let registry: Registry | undefined;

/** What Node and the operating system tell of this process, by the names prom-client gives, from the first call on. */
export function defaultMetrics(): Registry {
  registry ??= createDefaultMetrics();
  return registry;
}

function createDefaultMetrics(): Registry {
  const created = new Registry();
  collectDefaultMetrics({ register: created });
  // They begin anew with each scrape: of two that scrape, each would have half, and NaN right after the other.
  const perScrape = created.getMetricsAsArray().filter(({ name }) => name.startsWith("nodejs_eventloop_lag"));
  for (const { name } of perScrape) created.removeSingleMetric(name);
  addLoopDelay(created);
  addLoopUse(created);
  return created;
}

const sampleEveryMs = 100;

function addLoopDelay(created: Registry): void {
  const delays = new Histogram({
    name: "quartet_event_loop_delay_seconds",
    help: "By how much a timer of every 100 ms came too late.",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers: [created],
  });
  let lastMs = performance.now();
  setInterval(() => {
    const now = performance.now();
    delays.observe(Math.max(0, now - lastMs - sampleEveryMs) / 1_000);
    lastMs = now;
  }, sampleEveryMs).unref();
}

function addLoopUse(created: Registry): void {
  const loop = () => performance.eventLoopUtilization();
  addCounter(
    created,
    {
      name: "quartet_event_loop_active_seconds_total",
      help: "Time in which the event loop was busy: its rate is its utilization, 0 to 1.",
    },
    () => [[{}, loop().active / 1_000]],
  );
  addCounter(
    created,
    {
      name: "quartet_event_loop_idle_seconds_total",
      help: "Time in which the event loop had nothing to do.",
    },
    () => [[{}, loop().idle / 1_000]],
  );
}
