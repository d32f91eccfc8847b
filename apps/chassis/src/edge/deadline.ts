import type { IncomingHttpHeaders } from "node:http";
import type { ServiceClass } from "../class/service-class.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { maxTimeoutMs, type Preferences } from "./prefer.ts";

/** Time that a request has whose client names none. */
export const defaultTimeoutMs: Readonly<Record<ServiceClass, number>> = {
  crud: 10_000,
  micro: 10_000,
  nano: 5_000,
  lambda: 10_000,
};

/** How the deadline is known inside a process, in epoch ms; what a client sends under this name is overwritten. */
export const notedHeader = "quartet-deadline";

/**
 * When the answer must be there, in epoch ms: the least of what `Connect-Timeout-Ms` and `grpc-timeout` leave, and of
 * `Prefer: wait`, which alone may also ask for more than the class' default. `wait=0` bounds nothing: it asks for no
 * more than not to wait. Who prefers `respond-async` is waiting for an operation, not for the acceptance.
 *
 * @param now when the request came: what it spends in a queue counts
 * @throws QuartetError `invalid_argument` naming the header that is malformed.
 */
export function readDeadline(
  headers: IncomingHttpHeaders,
  prefer: Preferences,
  defaultMs: number,
  now: number,
): number {
  const explicit = leastOf(
    readConnectTimeout(single(headers["connect-timeout-ms"])),
    readGrpcTimeout(single(headers["grpc-timeout"])),
  );
  const waitMs = prefer.waitMs || undefined;
  if (prefer.respondAsync) return now + bounded(explicit ?? Math.max(defaultMs, waitMs ?? 0));
  return now + bounded(leastOf(explicit, waitMs) ?? defaultMs);
}

/**
 * Notes a request's deadline in its headers, once, where it comes in; whoever reads the headers later finds it. The
 * client's own headers go: their time would begin anew each time they are read.
 */
export function noteDeadline(headers: IncomingHttpHeaders, deadlineMs: number): void {
  delete headers["connect-timeout-ms"];
  delete headers["grpc-timeout"];
  headers[notedHeader] = String(deadlineMs);
}

/** Takes away what a client may have sent under the name that deadlines are noted under. */
export function forgetDeadline(headers: IncomingHttpHeaders): void {
  delete headers[notedHeader];
}

/** The deadline that was noted, in epoch ms. */
export function notedDeadline(headers: IncomingHttpHeaders): number | undefined {
  const text = single(headers[notedHeader]);
  return text === undefined ? undefined : Number(text);
}

/** What says to the next process how much time is left: never a fresh budget. */
export function headersOfTimeLeft(deadlineMs: number): { "connect-timeout-ms": string } {
  return { "connect-timeout-ms": String(Math.max(0, Math.floor(deadlineMs - Date.now()))) };
}

function readConnectTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new QuartetError("invalid_argument", "Connect-Timeout-Ms is not a number of at most ten digits.", {
    field: "Connect-Timeout-Ms",
  });
}

const unitsMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** gRPC over HTTP/2, "Timeout": at most eight digits and a unit. */
function readGrpcTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  if (digits !== undefined) return Number(digits) * (unitsMs[unit] ?? 1);
  throw new QuartetError("invalid_argument", "grpc-timeout is not up to eight digits and a unit.", {
    field: "grpc-timeout",
    fix: "Send such as grpc-timeout: 1500m.",
  });
}

function leastOf(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : Math.min(a, b ?? a);
}

function bounded(timeoutMs: number): number {
  return Math.min(timeoutMs, maxTimeoutMs);
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" ? value : value?.[0];
}
