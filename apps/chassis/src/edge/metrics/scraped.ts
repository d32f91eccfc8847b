import { Counter, Gauge, type Registry } from "prom-client";

/** A number with its labels, whose values must be few: methods, classes, states; never ids or what clients send. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** What a metric is called and tells. */
export interface MetricNames {
  /** `quartet_…`, in base units. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** A gauge that is read when the page is: what `read` leaves out is not on it, instead of a number of before. */
export function addGauge(
  registry: Registry,
  { name, help, labels = [] }: MetricNames,
  read: () => Iterable<Sample> | Promise<Iterable<Sample>>,
): void {
  const gauge: Gauge = new Gauge({
    ...{ name, help, labelNames: [...labels], registers: [registry] },
    collect: async () => {
      const samples = await read();
      gauge.reset();
      // What has no labels is 0 after that.
      if (labels.length === 0) gauge.remove();
      for (const [values, value] of samples) gauge.set(values, value);
    },
  });
}

/** A counter that somebody else counts, and that is read when the page is. Its name ends in `_total`. */
export function addCounter(
  registry: Registry,
  { name, help, labels = [] }: MetricNames,
  read: () => Iterable<Sample>,
): void {
  const counter: Counter = new Counter({
    ...{ name, help, labelNames: [...labels], registers: [registry] },
    collect: () => {
      counter.reset();
      for (const [values, value] of read()) counter.inc(values, value);
    },
  });
}
