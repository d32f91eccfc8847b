import type { JsonValue } from "@bufbuild/protobuf";
import { isErrorCode } from "../error/error-codes.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { headersOfTimeLeft } from "./deadline.ts";
import { shedHeader } from "./overload/guard-request.ts";
import type { Attempt, UpstreamBreaker } from "./overload/upstream-breaker.ts";
import { isUnreachable, type Upstream, type UpstreamPool, wasNeverSent } from "./upstream/upstream-pool.ts";

/** One try of a call down. */
export type CallAttempt = CallAnswer | CallFailure;

export interface CallAnswer {
  readonly kind: "answered";
  readonly statusCode: number;
  readonly json: JsonValue;
  /** May be asked again, here or elsewhere. */
  readonly retry: boolean;
  readonly sent: true;
}

export interface CallFailure {
  readonly kind: "failed";
  readonly error: unknown;
  readonly retry: boolean;
  /** The upstream may have seen it. */
  readonly sent: boolean;
  /** Its breaker let nothing through: to ask it again soon is of no use. */
  readonly barred?: boolean;
}

/** Less time than this, and a call that is late says nothing of the upstream: any client could have it shut out. */
const fairTimeMs = 500;
/** Timers run on another clock than deadlines: one may abort the signal just before its deadline. */
export const timerSlackMs = 2;
/** Those of a method that could not now, which another process may answer. */
const statusesOfFault: ReadonlySet<number> = new Set([502, 503]);

/**
 * Calls a method at one upstream, past its breakers. A fault of the connection: it cannot be reached. Faults of the method
 * there: it answers 502 or 503, or not within a fair time. Not so a refusal for overload, by which the process guards
 * itself; nor any other error. Of a call that was given up nobody knows.
 */
export async function callUpstream(
  pool: UpstreamPool,
  upstream: Upstream,
  breaker: UpstreamBreaker,
  name: string,
  body: string,
  scope: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<CallAttempt> {
  try {
    return await breaker.run(name, () => sendOnce(pool, upstream, name, body, scope));
  } catch (error) {
    return { kind: "failed", error, retry: true, sent: false, barred: true };
  }
}

async function sendOnce(
  pool: UpstreamPool,
  upstream: Upstream,
  name: string,
  body: string,
  scope: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<Attempt<CallAttempt>> {
  const fair = scope.deadlineMs - Date.now() >= fairTimeMs;
  try {
    const answer = await pool.request(upstream, {
      method: "POST",
      path: `/${name}`,
      headers: {
        "content-type": "application/json",
        "connect-protocol-version": "1",
        ...headersOfTimeLeft(scope.deadlineMs),
      },
      body,
      signal: scope.signal,
    });
    const { statusCode } = answer;
    const json = parse(await answer.body.text());
    const shed = answer.headers[shedHeader] !== undefined;
    const retry = statusesOfFault.has(statusCode);
    return {
      fault: shed ? "unknown" : faultOf(statusCode, fair),
      value: { kind: "answered", statusCode, json, retry, sent: true },
    };
  } catch (error) {
    const lost = isUnreachable(error);
    const late = fair && Date.now() + timerSlackMs >= scope.deadlineMs;
    return {
      fault: lost ? "connection" : late ? "method" : "unknown",
      value: { kind: "failed", error, retry: lost, sent: !wasNeverSent(error) },
    };
  }
}

function faultOf(statusCode: number, fair: boolean): "method" | "none" | "unknown" {
  if (statusesOfFault.has(statusCode)) return "method";
  if (statusCode !== 504) return "none";
  return fair ? "method" : "unknown";
}

/** What is between may answer with a page of its own; its status still tells. */
function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
}

/**
 * The answer's message as JSON.
 *
 * @throws QuartetError that the method answered with: a Connect error body, `{"code": …, "message": …}`, or a problem.
 */
export function readAnswer(answer: CallAnswer, name: string): JsonValue {
  const { json, statusCode } = answer;
  if (statusCode === 200) return json;
  const body = typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
  const code = String(body["code"] ?? "");
  const message = String(body["message"] ?? body["detail"] ?? `${name} failed.`);
  throw new QuartetError(isErrorCode(code) ? code : "internal", message);
}
