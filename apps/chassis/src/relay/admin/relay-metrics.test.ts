import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { parseExposition } from "../../edge/metrics/test-exposition.ts";
import { createRelayMetrics, type GaugeReaders } from "./relay-metrics.ts";

const readers: GaugeReaders = {
  readGauges: () =>
    Promise.resolve({
      head: 12n,
      delayed: 3,
      unheldLeases: 1,
      subscriptions: [{ name: "hook", lagEvents: 4, lagSeconds: 1.5, parked: 2, paused: true }],
      deadLetters: [{ subscription: "gone", count: 7 }],
      captures: [{ source: "main", repairDue: true }],
    }),
  readRetainedWal: () => Promise.resolve([{ source: "main", bytes: 4096 }]),
};

test("the page has what was counted, and the state at the moment of reading", async () => {
  const metrics = createRelayMetrics(readers);
  metrics.observer.captured("main", 5);
  metrics.observer.repaired("main", "slot missing", 2);
  metrics.observer.pushed("hook", "acknowledged", 3, 12);
  metrics.observer.pushed("hook", "retry", 1, 3_000);
  metrics.observer.buried("hook");
  const lines = (await metrics.format()).split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      'quartet_relay_captured_events_total{source="main"} 5',
      'quartet_relay_repairs_total{source="main",reason="slot missing"} 1',
      'quartet_relay_repaired_events_total{source="main"} 2',
      'quartet_relay_pushed_events_total{subscription="hook",outcome="acknowledged"} 3',
      'quartet_relay_pushed_events_total{subscription="hook",outcome="retry"} 1',
      'quartet_relay_push_seconds_count{subscription="hook"} 2',
      'quartet_relay_push_seconds_bucket{le="0.025",subscription="hook"} 1',
      'quartet_relay_dead_letters_total{subscription="hook"} 1',
      "quartet_relay_up 1",
      "quartet_log_head 12",
      'quartet_subscription_lag_events{subscription="hook"} 4',
      'quartet_subscription_lag_seconds{subscription="hook"} 1.5',
      'quartet_subscription_parked_events{subscription="hook"} 2',
      'quartet_subscription_paused{subscription="hook"} 1',
      'quartet_dead_letters{subscription="gone"} 7',
      "quartet_delayed_events 3",
      "quartet_relay_leases_unheld 1",
      'quartet_capture_repair_due{source="main"} 1',
      'quartet_slot_retained_bytes{source="main"} 4096',
    ]),
  );
});

test("Prometheus can read the page, also of two that scrape at once", async () => {
  const metrics = createRelayMetrics(readers);
  const pages = await Promise.all([metrics.format(), metrics.format()]);
  const [page] = pages.map(parseExposition);
  expect(page?.value("quartet_subscription_parked_events", { subscription: "hook" })).toBe(2);
  expect(page?.types.get("process_cpu_seconds_total")).toBe("counter");
});

test("a database that is away leaves the counters, and no number of before", async () => {
  let away = false;
  const unless =
    <T>(read: () => Promise<T>) =>
    () =>
      away ? Promise.reject(new Error("away")) : read();
  const metrics = createRelayMetrics({
    readGauges: unless(readers.readGauges),
    readRetainedWal: unless(readers.readRetainedWal),
  });
  metrics.observer.captured("main", 5);
  await metrics.format();
  away = true;
  const page = await metrics.format();
  expect(page).toContain("quartet_relay_up 0");
  expect(page).toContain('quartet_relay_captured_events_total{source="main"} 5');
  expect(page).not.toMatch(/^quartet_(subscription|dead_letters|slot)\w*\{/m);
  expect(page).not.toMatch(/^quartet_(log_head|delayed_events|relay_leases_unheld) /m);
});

test("a database that hangs is asked once, and the page is there in time for all who ask", async () => {
  let asked = 0;
  const { promise: hanging, resolve: answer } = Promise.withResolvers<void>();
  const hang =
    <T>(read: () => Promise<T>) =>
    async () => {
      asked += 1;
      await hanging;
      return read();
    };
  const metrics = createRelayMetrics(
    { readGauges: hang(readers.readGauges), readRetainedWal: hang(readers.readRetainedWal) },
    50,
  );
  const pages = await Promise.all(Array.from({ length: 20 }, () => metrics.format()));
  expect(pages.filter((page) => page.includes("quartet_relay_up 0"))).toHaveLength(20);
  expect(asked).toBe(2);
  answer();
  await expect.poll(() => metrics.format()).toContain("quartet_relay_up 1");
});

test("the alerts that are shipped ask for metrics that there are", async () => {
  const page = await createRelayMetrics(readers).format();
  const known = new Set([...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  const file = join(import.meta.dirname, "../../../../../infra/prometheus/relay-alerts.yml");
  const rules = parse(readFileSync(file, "utf8")) as { groups: { rules: { expr: string }[] }[] };
  const asked = rules.groups.flatMap((group) =>
    group.rules.flatMap(({ expr }) => expr.match(/quartet_\w+/g) ?? []),
  );
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((name) => !known.has(name))).toEqual([]);
});
