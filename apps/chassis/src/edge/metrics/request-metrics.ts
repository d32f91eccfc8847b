import type { ServerResponse } from "node:http";
import { Counter, Histogram, type Registry } from "prom-client";

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Of a request that nobody has named yet, or that was refused before it could be. */
const unnamed = "none";
/** As nginx says it: there was no whole answer, as the client went or the connection broke. */
const statusOfGone = "499";

/** What requests are counted as. */
export interface RequestMetricNames {
  /** Such as `quartet`. */
  readonly prefix: string;
  /** What they are told apart by. */
  readonly label: "method" | "class";
}

/** A request under way. */
export class CountedRequest {
  /** The value of its label. */
  name = unnamed;
  readonly beganMs = performance.now();
}

/** Counts requests by what they are, and the HTTP status that each ended with, and takes their time. */
export class RequestMetrics {
  readonly #label: RequestMetricNames["label"];
  readonly #requests: Counter;
  readonly #seconds: Histogram;

  constructor(registry: Registry, { prefix, label }: RequestMetricNames) {
    this.#label = label;
    this.#requests = new Counter({
      name: `${prefix}_requests_total`,
      help: "Requests that have ended, by HTTP status. 499: the client went before it had its answer.",
      labelNames: [label, "status"],
      registers: [registry],
    });
    this.#seconds = new Histogram({
      name: `${prefix}_request_duration_seconds`,
      help: "Time from a request's head to the end of its answer, waiting for its turn included.",
      labelNames: [label],
      buckets: seconds,
      registers: [registry],
    });
  }

  /** To be called once for each request. */
  end({ name, beganMs }: CountedRequest, status: string): void {
    const labels = { [this.#label]: name };
    this.#seconds.observe(labels, (performance.now() - beganMs) / 1_000);
    this.#requests.inc({ ...labels, status });
  }

  /** Counts a request of HTTP/1.1 when its answer, or its client, has gone. It can be named by {@link nameRequest}. */
  count(response: CountedResponse): CountedRequest {
    const request = new CountedRequest();
    response.counted = request;
    response.once("close", () => {
      this.end(request, response.writableFinished ? String(response.statusCode) : statusOfGone);
    });
    return request;
  }
}

interface CountedResponse extends ServerResponse {
  counted?: CountedRequest;
}

/** Says what the request is that this is the answer of. */
export function nameRequest(response: CountedResponse, name: string): void {
  if (response.counted !== undefined) response.counted.name = name;
}
