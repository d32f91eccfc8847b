import type { IncomingHttpHeaders } from "node:http";
import { QuartetError } from "../../error/quartet-error.ts";
import { forgetDeadline, noteDeadline, readDeadline } from "../deadline.ts";
import { readPrefer } from "../prefer.ts";
import type { Admission, Lane, Leave } from "./admission.ts";

/** Of a refusal: it tells who sent the request that this process is there, and has too much to do. */
export const shedHeader = "quartet-shed";

/** How a request is let in. */
export interface GuardSettings {
  readonly admission: Admission;
  readonly lane: Lane;
  /** Time that it has when its client names none. */
  readonly defaultTimeoutMs: number;
}

/** Its answer; the place is free again once it closes. */
export interface GuardedResponse {
  readonly destroyed: boolean;
  once(event: "close", listener: () => void): unknown;
  setHeader(name: string, value: string): unknown;
}

/**
 * Notes the request's deadline in its headers and resolves with it (epoch ms) when the request is let in.
 *
 * @throws QuartetError as {@link Admission.enter}; `unavailable` is told from other causes by {@link shedHeader}.
 */
export async function guardRequest(
  { admission, lane, defaultTimeoutMs }: GuardSettings,
  headers: IncomingHttpHeaders,
  response: GuardedResponse,
): Promise<number> {
  const deadlineMs = deadlineOf(headers, defaultTimeoutMs);
  const gone = new AbortController();
  let leave: Leave | undefined;
  // Aborting makes an error with a stack: nearly all requests end when they have long been let in.
  response.once("close", () => (leave === undefined ? gone.abort() : leave()));
  if (response.destroyed) gone.abort();
  try {
    leave = await admission.enter(lane, deadlineMs, gone.signal);
    if (gone.signal.aborted) leave();
    return deadlineMs;
  } catch (error) {
    if (error instanceof QuartetError && error.code === "unavailable") response.setHeader(shedHeader, "1");
    throw error;
  }
}

/** What is malformed in it is said by whoever answers on that surface. */
function deadlineOf(headers: IncomingHttpHeaders, defaultMs: number): number {
  const now = Date.now();
  forgetDeadline(headers);
  try {
    const deadlineMs = readDeadline(headers, readPrefer(preferOf(headers)), defaultMs, now);
    noteDeadline(headers, deadlineMs);
    return deadlineMs;
  } catch {
    return now + defaultMs;
  }
}

function preferOf(headers: IncomingHttpHeaders): string | undefined {
  const value: string | string[] | undefined = headers["prefer"];
  return Array.isArray(value) ? value[0] : value;
}
