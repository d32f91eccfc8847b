import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Dispatcher } from "undici";
import type { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import {
  isUnreachable,
  toUnavailable,
  type UpstreamPool,
  wasNeverSent,
} from "../edge/upstream/upstream-pool.ts";
import { QuartetError } from "../error/quartet-error.ts";
import type { Route } from "./routes.ts";

/** One request on its way through. */
export interface ForwardRequest {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly body: Buffer;
  readonly route: Route;
  readonly signal: AbortSignal;
}

/** Longest time a request waits for its class to come back before it is answered with 503. */
const patienceMs = 5_000;
const pauseMs = 60;

/** Headers that belong to one connection (RFC 9110, section 7.6.1), and those only the gateway may set. */
const notForwarded: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
  "host",
  "content-length",
  "quartet-mode",
  "quartet-attempt",
]);

/**
 * Sends a request to its class, or to the crud class when none of that class answers, and its answer back.
 *
 * A request that certainly was not seen is sent again; one that may have been seen only when that does no harm: it
 * reads, or it has an idempotency key. So a process that dies takes no request with it that could have been kept.
 */
export async function forward(upstreams: ClassUpstreams, request: ForwardRequest): Promise<void> {
  const repeatable = request.route.safe || request.incoming.headers["idempotency-key"] !== undefined;
  const untilMs = Date.now() + patienceMs;
  let failure: unknown;
  for (;;) {
    for (const pool of poolsFor(upstreams, request.route)) {
      for (const upstream of pool.candidates()) {
        try {
          const answer = await pool.request(upstream, toUpstreamRequest(request));
          if (!(await isWorthRetrying(answer, repeatable, untilMs, request)))
            return await sendBack(answer, request);
          failure = undefined;
        } catch (error) {
          failure = error;
          request.signal.throwIfAborted();
          if (!wasNeverSent(error) && !(repeatable && isUnreachable(error))) {
            throw toUnavailable(error, `The ${request.route.serviceClass} class`);
          }
        }
      }
    }
    if (Date.now() + pauseMs >= untilMs) break;
    await delay(pauseMs, undefined, { signal: request.signal });
  }
  throw toUnavailable(failure, `The ${request.route.serviceClass} class`);
}

/** The route's class first; the crud class serves everything, so it stands in for one that is away. */
function poolsFor(upstreams: ClassUpstreams, route: Route): UpstreamPool[] {
  const home = upstreams.of(route.serviceClass);
  const crud = upstreams.of("crud");
  if (home === crud || home.isEmpty) return [crud];
  return home.isUp() ? [home, crud] : [crud, home];
}

function toUpstreamRequest(request: ForwardRequest): Parameters<UpstreamPool["request"]>[1] {
  const { incoming, route, body, signal } = request;
  const headers = forwardedHeaders(incoming.headers);
  if (route.mode !== undefined) headers["quartet-mode"] = route.mode;
  const address = incoming.socket.remoteAddress;
  if (address !== undefined) {
    const before = headers["x-forwarded-for"];
    headers["x-forwarded-for"] = before === undefined ? address : `${before}, ${address}`;
  }
  return {
    method: (incoming.method ?? "GET") as Dispatcher.HttpMethod,
    path: incoming.url ?? "/",
    headers,
    body: body.length === 0 ? null : body,
    signal,
  };
}

function forwardedHeaders(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  // `Connection: foo` makes foo a header of this connection too.
  const named = new Set(
    String(headers.connection ?? "")
      .toLowerCase()
      .split(/\s*,\s*/),
  );
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !notForwarded.has(name) && !named.has(name)) kept[name] = value;
  }
  return kept;
}

/** 503 means "not now": tried again where that does no harm, while there is time. The answer is then discarded. */
async function isWorthRetrying(
  answer: Dispatcher.ResponseData,
  repeatable: boolean,
  untilMs: number,
  request: ForwardRequest,
): Promise<boolean> {
  if (answer.statusCode !== 503 || !repeatable || Date.now() + pauseMs >= untilMs) return false;
  if (request.signal.aborted) return false;
  await answer.body.dump();
  return true;
}

async function sendBack(answer: Dispatcher.ResponseData, request: ForwardRequest): Promise<void> {
  const { outgoing } = request;
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    const own = name === "content-length" ? false : notForwarded.has(name);
    if (value !== undefined && !own) headers[name] = value;
  }
  outgoing.writeHead(answer.statusCode, headers);
  try {
    await pipeline(answer.body, outgoing);
  } catch (cause) {
    throw new QuartetError("bad_gateway", "The answer broke off.", { cause });
  }
}
