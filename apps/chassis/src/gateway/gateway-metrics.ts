import type { IncomingMessage, ServerResponse } from "node:http";
import { Counter, Registry } from "prom-client";
import type { ServiceClass } from "../class/service-class.ts";
import { addFlagMetrics } from "../edge/metrics/flag-metrics.ts";
import { addAdmissionMetrics } from "../edge/metrics/load-metrics.ts";
import { createMetricsPage } from "../edge/metrics/metrics-page.ts";
import { RequestMetrics } from "../edge/metrics/request-metrics.ts";
import { addUpstreamMetrics, nameOfUpstream } from "../edge/metrics/upstream-metrics.ts";
import type { Admission } from "../edge/overload/admission.ts";
import type { DownGuard } from "../edge/overload/down-guard.ts";
import type { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import type { Upstream } from "../edge/upstream/upstream-pool.ts";
import { requireAdmin } from "../wire/http/admin-token.ts";
import type { RouteDesk } from "./routes-endpoint.ts";

/** Is told of each try of one request: the status that the upstream answered with, or how it failed to. */
export type NoteAttempt = (upstream: Upstream, outcome: number | "unreachable" | "aborted") => void;

/** The metrics of a gateway. */
export interface GatewayMetrics {
  /** By the class that their route names. */
  readonly requests: RequestMetrics;
  /** For one request of a class. */
  noteAttempts(serviceClass: ServiceClass): NoteAttempt;
  /**
   * `GET /metrics`: for the gateway's operators alone, as its routes are, for its listener is everybody's.
   *
   * @throws QuartetError `unauthenticated`, `permission_denied`, `unavailable`
   */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/** The parts of a gateway that its metrics tell of. */
export interface WatchedParts {
  readonly desk: RouteDesk;
  readonly upstreams: ClassUpstreams;
  readonly admission: Admission;
  readonly guard: DownGuard;
}

export function createGatewayMetrics({ desk, upstreams, admission, guard }: WatchedParts): GatewayMetrics {
  const registry = new Registry();
  const requests = new RequestMetrics(registry, { prefix: "quartet_gateway", label: "class" });
  addAdmissionMetrics(registry, admission);
  addUpstreamMetrics(registry, upstreams, guard);
  addFlagMetrics(registry, desk.flags);
  const page = createMetricsPage(registry);
  return {
    requests,
    noteAttempts: createAttemptCounters(registry),
    answer: async (request, response) => {
      // RFC 9110, section 15.5.2.
      if (desk.adminToken !== undefined) response.setHeader("WWW-Authenticate", "Bearer");
      requireAdmin(request, desk.adminToken);
      response.removeHeader("WWW-Authenticate");
      await page.answer(response);
    },
  };
}

function createAttemptCounters(registry: Registry): GatewayMetrics["noteAttempts"] {
  const attempts = new Counter({
    name: "quartet_gateway_attempts_total",
    help: "Tries of requests, by the class of their route, who was asked, and its HTTP status or the lack of one.",
    labelNames: ["class", "upstream", "status"],
    registers: [registry],
  });
  const retries = new Counter({
    name: "quartet_gateway_retries_total",
    help: "Tries of requests beyond the first of each, by the class of their route.",
    labelNames: ["class"],
    registers: [registry],
  });
  return (serviceClass) => {
    let tried = false;
    return (upstream, outcome) => {
      const labels = { class: serviceClass };
      attempts.inc({ ...labels, upstream: nameOfUpstream(upstream), status: String(outcome) });
      if (tried) retries.inc(labels);
      tried = true;
    };
  };
}
