import { QuartetError } from "../error/quartet-error.ts";

/** The same key with another request (Idempotency-Key, draft-07, section 2.6). */
export function keyReused(): QuartetError {
  return new QuartetError("key_reused", "This Idempotency-Key was used for another request.", {
    field: "Idempotency-Key",
    fix: "Use a new key for a new request, and the old key only to repeat the very same one.",
  });
}
