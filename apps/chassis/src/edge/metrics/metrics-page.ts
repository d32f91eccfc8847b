import type { ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import { QuartetError } from "../../error/quartet-error.ts";
import { defaultMetrics } from "./default-metrics.ts";
import { TimedReading } from "./timed-reading.ts";

export const metricsPath = "/metrics";

/** A page is made of thousands of lines, and whoever can reach it may ask for it: it is this old at most, in ms. */
const everyMs = 200;
/** Beyond what its slowest part may take, in ms. */
const waitMs = 5_000;

/** `GET /metrics`: the text format of Prometheus 0.0.4. */
export interface MetricsPage {
  /** @throws QuartetError `unavailable` when the page cannot be made in time. */
  answer(response: ServerResponse): Promise<void>;
}

/** The page of a registry, and of the process as such. */
export function createMetricsPage(registry: Registry): MetricsPage {
  const page = new TimedReading(
    async () => `${await registry.metrics()}${await defaultMetrics().metrics()}`,
    { everyMs, waitMs },
  );
  return {
    answer: async (response) => {
      const text = await page.take();
      if (text === undefined) throw new QuartetError("unavailable", "The metrics cannot be read now.");
      response.writeHead(200, { "Content-Type": registry.contentType, "Cache-Control": "no-store" });
      response.end(text);
    },
  };
}
