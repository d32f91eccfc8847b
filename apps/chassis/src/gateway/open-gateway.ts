import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { serviceClasses } from "../class/service-class.ts";
import { readBody } from "../edge/read-body.ts";
import { requestSignal } from "../edge/request-signal.ts";
import { sendProblem } from "../edge/send-problem.ts";
import type { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import type { Upstream, UpstreamPool } from "../edge/upstream/upstream-pool.ts";
import { toQuartetError } from "../error/problem.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { forward } from "./forward.ts";
import type { Routes } from "./routes.ts";

const maxInFlight = 1_000;
const requestLimitMs = 65_000;
const probeEveryMs = 500;
const probeTimeoutMs = 1_000;

/**
 * The gateway as a request handler: routes by the table, forwards, answers what it cannot forward with problem+json.
 * At most `maxInFlight` requests are under way; beyond them it answers 503 with Retry-After at once.
 */
export function createGateway(routes: Routes, upstreams: ClassUpstreams, log: Logger): RequestListener {
  let inFlight = 0;
  return (request, response) => {
    const { path } = splitTarget(request);
    if (path === "/livez" || path === "/readyz") return void answerHealth(path, upstreams, response);
    inFlight += 1;
    route(routes, upstreams, request, response, inFlight)
      .catch((thrown: unknown) => {
        const error = isAbort(thrown)
          ? new QuartetError("deadline_exceeded", "No answer came in time.", { cause: thrown })
          : toQuartetError(thrown);
        if (error.code === "internal") log.error({ err: thrown }, "a request failed");
        sendProblem(response, error);
      })
      .finally(() => {
        inFlight -= 1;
      });
  };
}

async function route(
  routes: Routes,
  upstreams: ClassUpstreams,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  inFlight: number,
): Promise<void> {
  if (inFlight > maxInFlight) {
    throw new QuartetError("unavailable", "The gateway has too many requests under way.", {
      retryAfterSeconds: 1,
    });
  }
  const { path } = splitTarget(incoming);
  const found = routes.find(incoming.method ?? "GET", path);
  const body = await readBody(incoming);
  const signal = requestSignal(outgoing, Date.now() + requestLimitMs);
  await forward(upstreams, { incoming, outgoing, body, route: found, signal });
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
    });
    await answer.body.dump();
    if (answer.statusCode !== 200) pool.markDown(upstream, performance.now(), 2 * probeEveryMs);
    return answer.statusCode === 200;
  } catch {
    return false;
  }
}

function splitTarget(request: IncomingMessage): { readonly path: string } {
  return { path: (request.url ?? "/").split("?", 1)[0] ?? "/" };
}

function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "AbortError";
}
