import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Dispatcher } from "undici";
import { headersOfTimeLeft, notedHeader } from "../edge/deadline.ts";
import { shedHeader } from "../edge/overload/guard-request.ts";
import type { RetryBudget } from "../edge/overload/retry-budget.ts";
import type { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import {
  isUnreachable,
  toUnavailable,
  type Upstream,
  type UpstreamPool,
  wasNeverSent,
} from "../edge/upstream/upstream-pool.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { parseIfPosition } from "../position/position.ts";
import type { NoteAttempt } from "./gateway-metrics.ts";
import { type BroughtPositions, positionCookies, readPositionCookies } from "./position-cookie.ts";
import type { Route } from "./routes.ts";

/** One request on its way through. */
export interface ForwardRequest {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly body: Buffer;
  /** Path and query, as they go on. */
  readonly target: string;
  readonly route: Route;
  /** It waits for an end, however long that takes, and so holds a connection that no work waits for. */
  readonly waits: boolean;
  readonly signal: AbortSignal;
  /** When the answer must be there, in epoch ms. */
  readonly deadlineMs: number;
  /** Of the request's class. */
  readonly retries: RetryBudget;
  /** Is told how each try of it ends. */
  readonly noteAttempt?: NoteAttempt;
  /** Name of the cookies that keep browsers' positions, where there are any. */
  readonly positionCookie?: string | undefined;
}

/** Longest time a request waits for its class to come back before it is answered with 503. */
const patienceMs = 5_000;
const firstPauseMs = 60;
const longestPauseMs = 500;

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
  "quartet-replayed",
  "quartet-attempt",
  notedHeader,
]);

/**
 * Sends a request to its class, or to the crud class when none of that class answers, and its answer back.
 *
 * A request that certainly was not seen is sent again; one that may have been seen only when that does no harm: it
 * reads, or it has an idempotency key. So a process that dies takes no request with it that could have been kept.
 */
export async function forward(upstreams: ClassUpstreams, request: ForwardRequest): Promise<void> {
  const repeatable = request.route.safe || request.incoming.headers["idempotency-key"] !== undefined;
  const untilMs = Math.min(Date.now() + patienceMs, request.deadlineMs);
  request.retries.earn();
  const asked = askedPosition(request);
  let failure: unknown;
  for (let round = 0; ; round++) {
    for (const { pool, upstream } of targetsOf(upstreams, request.route, asked)) {
      try {
        const answer = await tryOnce(pool, upstream, request, asked);
        upstreams.places.learn(upstream, answer.headers);
        if (!(await isWorthRetrying(answer, repeatable || wasNotBegun(answer), untilMs, request)))
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
    const leftMs = untilMs - firstPauseMs - Date.now();
    if (leftMs <= 0) break;
    await delay(Math.min(pauseAfter(round), leftMs), undefined, { signal: request.signal });
  }
  throw toUnavailable(failure, `The ${request.route.serviceClass} class`);
}

async function tryOnce(
  pool: UpstreamPool,
  upstream: Upstream,
  request: ForwardRequest,
  asked: string | undefined,
): ReturnType<UpstreamPool["request"]> {
  try {
    const answer = await pool.request(upstream, toUpstreamRequest(request, asked));
    request.noteAttempt?.(upstream, answer.statusCode);
    return answer;
  } catch (error) {
    request.noteAttempt?.(upstream, isUnreachable(error) ? "unreachable" : "aborted");
    throw error;
  }
}

/** Longer each time, and never the same: all who wait for a class would else ask it seventeen times a second each. */
function pauseAfter(round: number): number {
  return Math.min(longestPauseMs, firstPauseMs * 2 ** round) * (0.75 + Math.random() / 2);
}

interface Target {
  readonly pool: UpstreamPool;
  readonly upstream: Upstream;
}

/**
 * Who is asked, in turn: the processes of the class, those first whose replicas are known to have reached the position;
 * then the crud class, which is never behind; and last those whose replicas were behind a moment ago.
 */
function targetsOf(upstreams: ClassUpstreams, route: Route, asked: string | undefined): readonly Target[] {
  const position = asked === undefined || !route.safe ? undefined : parseIfPosition(asked);
  const orders = poolsFor(upstreams, route).map((pool) => {
    const { promising, behind } = upstreams.places.order(pool.candidates(), position);
    const target = (upstream: Upstream): Target => ({ pool, upstream });
    return { promising: promising.map(target), behind: behind.map(target) };
  });
  return [...orders.flatMap(({ promising }) => promising), ...orders.flatMap(({ behind }) => behind)];
}

/** The position that a request is to be answered at or past: its header's, else its cookies'. */
function askedPosition({ incoming, route, positionCookie }: ForwardRequest): string | undefined {
  // Whoever does not mind old data is not made to wait for new.
  if (route.consistency === "eventual") return undefined;
  const header = incoming.headers["quartet-position"];
  if (typeof header === "string" || positionCookie === undefined) return header as string | undefined;
  return broughtBy(incoming, positionCookie).position;
}

function broughtBy(incoming: IncomingMessage, name: string): BroughtPositions {
  return readPositionCookies(incoming.headers.cookie, name);
}

/** The route's class first; the crud class serves everything, so it stands in for one that is away. */
function poolsFor(upstreams: ClassUpstreams, route: Route): UpstreamPool[] {
  const home = upstreams.of(route.serviceClass);
  const crud = upstreams.of("crud");
  if (home === crud || home.isEmpty) return [crud];
  return home.isUp() ? [home, crud] : [crud, home];
}

function toUpstreamRequest(
  request: ForwardRequest,
  asked: string | undefined,
): Parameters<UpstreamPool["request"]>[1] {
  const { incoming, target, route, body, signal, waits } = request;
  // What is left, and not what there was; a header that is malformed goes on, for whoever can say so.
  const headers: ForwardedHeaders = {
    ...headersOfTimeLeft(request.deadlineMs),
    ...forwardedHeaders(incoming.headers),
  };
  if (route.mode !== undefined) headers["quartet-mode"] = route.mode;
  if (asked === undefined) delete headers["quartet-position"];
  else headers["quartet-position"] = asked;
  const address = incoming.socket.remoteAddress;
  if (address !== undefined) {
    const before = headers["x-forwarded-for"];
    headers["x-forwarded-for"] = before === undefined ? address : `${before}, ${address}`;
  }
  return {
    method: (incoming.method ?? "GET") as Dispatcher.HttpMethod,
    path: target,
    headers,
    body: body.length === 0 ? null : body,
    signal,
    waits,
  };
}

type ForwardedHeaders = Record<string, string | string[]>;

/**
 * What is meant for all who handle the request. A client that names them in `Connection` (RFC 9110, section 7.6.1, forbids
 * it) does not take away what the request was routed by, or what makes it safe to send again.
 */
const endToEnd = new RegExp(
  "^(?:authorization|content-(?:encoding|type)|cookie|idempotency-key|if-match|if-none-match|prefer|traceparent|" +
    "(?:connect|grpc|quartet|x-forwarded)-.*)$",
);

function forwardedHeaders(headers: IncomingHttpHeaders): ForwardedHeaders {
  // `Connection: foo` makes foo a header of this connection too.
  const named = new Set(
    String(headers.connection ?? "")
      .toLowerCase()
      .split(/\s*,\s*/),
  );
  const kept: ForwardedHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || notForwarded.has(name)) continue;
    if (!named.has(name) || endToEnd.test(name)) kept[name] = value;
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
  if (answer.statusCode !== 503 || !repeatable || Date.now() + firstPauseMs >= untilMs) return false;
  if (request.signal.aborted || (isShed(answer) && !request.retries.take())) return false;
  await answer.body.dump();
  return true;
}

/** Neither what is refused for overload was begun, nor what came to a replica that was behind. */
function wasNotBegun(answer: Dispatcher.ResponseData): boolean {
  return isShed(answer) || answer.headers["quartet-replayed"] !== undefined;
}

/** Refused by a process that has too much to do: certainly not begun, and worth few more tries. */
function isShed(answer: Dispatcher.ResponseData): boolean {
  return answer.headers[shedHeader] !== undefined;
}

async function sendBack(answer: Dispatcher.ResponseData, request: ForwardRequest): Promise<void> {
  const { outgoing } = request;
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    const own = name === "content-length" ? false : notForwarded.has(name);
    if (value !== undefined && !own) headers[name] = value;
  }
  const cookies = cookiesFor(answer, request);
  if (cookies.length > 0) headers["set-cookie"] = [...[headers["set-cookie"] ?? []].flat(), ...cookies];
  outgoing.writeHead(answer.statusCode, headers);
  try {
    await pipeline(answer.body, outgoing);
  } catch (cause) {
    throw new QuartetError("bad_gateway", "The answer broke off.", { cause });
  }
}

/** What an answer leaves in the browser. */
function cookiesFor(answer: Dispatcher.ResponseData, request: ForwardRequest): readonly string[] {
  const { incoming, positionCookie } = request;
  if (positionCookie === undefined) return [];
  const position = answer.headers["quartet-position"];
  const brought = broughtBy(incoming, positionCookie);
  const asked = askedPosition(request);
  const secure =
    "encrypted" in incoming.socket || /^https\b/i.test(String(incoming.headers["x-forwarded-proto"]));
  return positionCookies(
    positionCookie,
    brought,
    typeof position === "string" ? position : undefined,
    secure,
    request.route.safe && asked !== undefined && asked === brought.position,
  );
}
