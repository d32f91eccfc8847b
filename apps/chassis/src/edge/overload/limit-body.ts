import type { ServerResponse } from "node:http";
import { QuartetError } from "../../error/quartet-error.ts";
import { sendProblem } from "../send-problem.ts";

/** A request of HTTP/1.1 or HTTP/2 whose body may still be on its way. */
export interface IncomingBody {
  readonly complete: boolean;
  once(event: "close", listener: () => void): unknown;
  destroy(): unknown;
}

/**
 * Bounds the time that a body takes to come by the request's deadline: a client that begins one and does not end it keeps
 * its place no longer than any other. Costs nothing when the body is there already, as small ones are.
 *
 * @param refuse answers; what is left of the body is not waited for
 */
export function limitBody(
  request: IncomingBody,
  deadlineMs: number,
  refuse: (error: QuartetError) => void,
): void {
  if (request.complete) return;
  const giveUp = () => {
    if (request.complete) return;
    refuse(new QuartetError("deadline_exceeded", "The request's body did not come in time."));
  };
  const timer = setTimeout(giveUp, Math.max(0, deadlineMs - Date.now()));
  request.once("close", () => clearTimeout(timer));
}

/** Answers, and then closes the connection: what is left of the body cannot be told from a next request. */
export function refuseBody(response: ServerResponse, error: QuartetError): void {
  if (response.headersSent) return;
  response.setHeader("Connection", "close");
  response.once("finish", () => response.req.destroy());
  sendProblem(response, error);
}
