import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { serviceClasses } from "../class/service-class.ts";
import { principalOf } from "../edge/call-meta.ts";
import { defaultTimeoutMs } from "../edge/deadline.ts";
import { metricsPath } from "../edge/metrics/metrics-page.ts";
import { Admission, type Lane } from "../edge/overload/admission.ts";
import { DownGuard } from "../edge/overload/down-guard.ts";
import { guardRequest } from "../edge/overload/guard-request.ts";
import { laneOfOperation } from "../edge/overload/lane-of.ts";
import { limitBody, refuseBody } from "../edge/overload/limit-body.ts";
import { watchLoad } from "../edge/overload/load-signals.ts";
import { readBody } from "../edge/read-body.ts";
import { requestSignal } from "../edge/request-signal.ts";
import { sendProblem } from "../edge/send-problem.ts";
import type { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { isUnreachable, type Upstream, type UpstreamPool } from "../edge/upstream/upstream-pool.ts";
import { graceMs } from "../edge/within-deadline.ts";
import { toQuartetError } from "../error/problem.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { requireTime } from "../error/require-time.ts";
import { forward } from "./forward.ts";
import { createGatewayMetrics, type GatewayMetrics } from "./gateway-metrics.ts";
import { readTarget } from "./read-target.ts";
import type { Route } from "./routes.ts";
import { answerRoutes, type RouteDesk, routesPath } from "./routes-endpoint.ts";

/** What a class may take past the deadline to say what became of the request, and its answer on its way here. */
const slackMs = graceMs + 500;
const probeEveryMs = 500;
const probeTimeoutMs = 1_000;
/** Until after the next probe, however long that one takes. */
const leftOutMs = 2 * probeEveryMs + probeTimeoutMs;

/**
 * The gateway as a request handler: routes by the table, forwards, answers what it cannot forward with problem+json.
 * It is open to as many at once as it stands, as classes are; what it refuses is answered 503 with Retry-After at once.
 */
export function createGateway(
  desk: RouteDesk,
  upstreams: ClassUpstreams,
  log: Logger,
  positionCookie?: string,
): RequestListener {
  const admission = new Admission(watchLoad({}));
  const guard = new DownGuard();
  const metrics = createGatewayMetrics({ desk, upstreams, admission, guard });
  return (request, response) => {
    const [path = "/"] = (request.url ?? "/").split("?", 1);
    if (path === "/livez" || path === "/readyz") return void answerHealth(path, upstreams, response);
    route({ desk, upstreams, admission, guard, metrics }, request, response, positionCookie).catch(
      (thrown: unknown) => {
        const error = isAbort(thrown)
          ? new QuartetError("deadline_exceeded", "No answer came in time.", { cause: thrown })
          : toQuartetError(thrown);
        if (error.code === "internal") log.error({ err: thrown }, "a request failed");
        sendProblem(response, error);
      },
    );
  };
}

interface GatewayParts {
  readonly desk: RouteDesk;
  readonly upstreams: ClassUpstreams;
  readonly admission: Admission;
  readonly guard: DownGuard;
  readonly metrics: GatewayMetrics;
}

async function route(
  { desk, upstreams, admission, guard, metrics }: GatewayParts,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  positionCookie: string | undefined,
): Promise<void> {
  const { path, origin } = readTarget(incoming.url);
  if (path === routesPath) return answerRoutes(desk, incoming, outgoing);
  if (path === metricsPath && incoming.method === "GET") return metrics.answer(incoming, outgoing);
  const counted = metrics.requests.count(outgoing);
  const principal = principalOf(incoming.headers.authorization);
  const found = desk.routes.find(incoming.method ?? "GET", path, principal);
  counted.name = found.serviceClass;
  const lane = laneOfRoute(found, incoming);
  const settings = { admission, lane, defaultTimeoutMs: defaultTimeoutMs[found.serviceClass] };
  const deadlineMs = await guardRequest(settings, incoming.headers, outgoing);
  limitBody(incoming, deadlineMs, (error) => refuseBody(outgoing, error));
  const body = await readBody(incoming);
  requireTime(deadlineMs);
  const signal = requestSignal(outgoing, deadlineMs + slackMs);
  const retries = guard.budgetOf(found.serviceClass);
  await forward(upstreams, {
    ...{ incoming, outgoing, body, target: origin, route: found, waits: lane === "waiting" },
    ...{ signal, deadlineMs, retries, positionCookie },
    noteAttempt: metrics.noteAttempts(found.serviceClass),
  });
}

function laneOfRoute(route: Route, { headers }: IncomingMessage): Lane {
  if (route.method === undefined) return laneOfOperation(headers);
  return route.safe ? "query" : "command";
}

function answerHealth(path: string, upstreams: ClassUpstreams, response: ServerResponse): void {
  const ready =
    path === "/livez" ||
    serviceClasses.some((name) => !upstreams.of(name).isEmpty && upstreams.of(name).isUp());
  response.writeHead(ready ? 200 : 503, { "Content-Type": "text/plain" });
  response.end(ready ? "ok\n" : "no upstream answers\n");
}

/** Asks every upstream again and again whether it is ready, so that a dead one is left out before a request finds it. */
export async function runProbes(upstreams: ClassUpstreams, log: Logger, signal: AbortSignal): Promise<void> {
  const known = new Map<Upstream, boolean>();
  while (!signal.aborted) {
    const pools = serviceClasses.map((name) => [name, upstreams.of(name)] as const);
    await Promise.all(
      pools.flatMap(([name, pool]) =>
        pool.upstreams.map(async (upstream) => {
          const ready = await probe(pool, upstream, signal);
          if (signal.aborted || known.get(upstream) === ready) return;
          if (known.has(upstream) || !ready)
            log.info(`${name} at ${upstream.url} is ${ready ? "back" : "away"}`);
          known.set(upstream, ready);
        }),
      ),
    );
    await delay(probeEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

async function probe(pool: UpstreamPool, upstream: Upstream, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await pool.request(upstream, {
      method: "GET",
      path: "/readyz",
      signal: AbortSignal.any([signal, AbortSignal.timeout(probeTimeoutMs)]),
      waits: true,
    });
    await answer.body.dump();
    if (answer.statusCode !== 200) pool.markDown(upstream, performance.now(), leftOutMs);
    return answer.statusCode === 200;
  } catch (error) {
    // One that hangs takes connections: nothing but its silence tells.
    if (!isUnreachable(error) && !signal.aborted) pool.markDown(upstream, performance.now(), leftOutMs);
    return false;
  }
}

function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "AbortError";
}
