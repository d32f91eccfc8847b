import type { ServerResponse } from "node:http";
import { placeHeader, toProblem } from "../../error/problem.ts";
import type { QuartetError } from "../../error/quartet-error.ts";

/** Answers with problem+json (RFC 9457). Does nothing when the answer has begun. */
export function sendProblem(response: ServerResponse, error: QuartetError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (error.retryAfterSeconds !== undefined) response.setHeader("Retry-After", error.retryAfterSeconds);
  if (error.allow !== undefined) response.setHeader("Allow", error.allow.join(", "));
  response.writeHead(error.status, { "Content-Type": "application/problem+json", ...placeHeader(error) });
  response.end(JSON.stringify(toProblem(error)));
}
