import type { RequestHandler } from "express";
import { QuartetError } from "../error/quartet-error.ts";

/**
 * Lets at most `limit` requests be under way; the others are answered with 503 and Retry-After at once, before anything
 * of them is read.
 */
export function limitInFlight(limit: number): RequestHandler {
  let inFlight = 0;
  return (_request, response, next) => {
    if (inFlight >= limit) {
      next(
        new QuartetError("unavailable", "This process has too many requests under way.", {
          retryAfterSeconds: 1,
        }),
      );
      return;
    }
    inFlight += 1;
    response.once("close", () => {
      inFlight -= 1;
    });
    next();
  };
}
