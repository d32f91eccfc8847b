import type { Registry } from "prom-client";
import { type ServiceClass, serviceClasses } from "../../class/service-class.ts";
import type { DownGuard } from "../overload/down-guard.ts";
import type { ClassUpstreams } from "../upstream/class-upstreams.ts";
import type { Upstream } from "../upstream/upstream-pool.ts";
import { addGauge, type Sample } from "./scraped.ts";

const breakerStates = ["closed", "half-open", "open"] as const;

/** The processes that this one sends requests to, and what is left of the retries of each class. */
export function addUpstreamMetrics(registry: Registry, upstreams: ClassUpstreams, guard: DownGuard): void {
  addGauge(
    registry,
    {
      name: "quartet_upstream_up",
      help: "1 while the process is sent requests, 0 while it is left out, as it could not be reached.",
      labels: ["class", "upstream"],
    },
    () => {
      const now = performance.now();
      return eachUpstream(upstreams, (labels, upstream) => [[labels, upstream.downUntilMs <= now ? 1 : 0]]);
    },
  );
  addGauge(
    registry,
    {
      name: "quartet_upstream_retry_tokens",
      help: "Requests that may be sent again now: they are earned at one in ten.",
      labels: ["class"],
    },
    () =>
      serviceClasses
        .filter((name) => !upstreams.of(name).isEmpty)
        .map((name) => [{ class: name }, guard.budgetOf(name).tokens]),
  );
}

/** The breakers of the calls down. */
export function addBreakerMetrics(registry: Registry, upstreams: ClassUpstreams, guard: DownGuard): void {
  addGauge(
    registry,
    {
      name: "quartet_upstream_breaker",
      help: "1 for the gravest state of the process' circuit breakers, 0 for the others.",
      labels: ["class", "upstream", "state"],
    },
    () =>
      eachUpstream(upstreams, (labels, upstream) => {
        const current = guard.breakerOf(upstream).state;
        return breakerStates.map((state) => [{ ...labels, state }, state === current ? 1 : 0]);
      }),
  );
  addGauge(
    registry,
    {
      name: "quartet_upstream_method_breaker",
      help: "1 for the state of the breaker of each method that is not called freely; others are not on the page.",
      labels: ["class", "upstream", "method", "state"],
    },
    () =>
      eachUpstream(upstreams, (labels, upstream) =>
        Object.entries(guard.breakerOf(upstream).methods).map(([method, state]) => [
          { ...labels, method, state },
          1,
        ]),
      ),
  );
}

interface UpstreamLabels extends Readonly<Record<string, string>> {
  readonly class: ServiceClass;
  readonly upstream: string;
}

function eachUpstream(
  upstreams: ClassUpstreams,
  read: (labels: UpstreamLabels, upstream: Upstream) => readonly Sample[],
): Sample[] {
  return serviceClasses.flatMap((name) =>
    upstreams
      .of(name)
      .upstreams.flatMap((upstream) => read({ class: name, upstream: nameOfUpstream(upstream) }, upstream)),
  );
}

const hostOfUrl = /^[\w+.-]+:\/\/(?:[^@/]*@)?([^/?#]+)/;

/** Host and port: what else may be in the URL of the environment is nobody's business here. */
export function nameOfUpstream({ url }: Upstream): string {
  return hostOfUrl.exec(url)?.[1] ?? "unknown";
}
