import { QuartetError } from "../../error/quartet-error.ts";
import { findRefusal, type OutsideReach } from "../../wire/http/guarded-connect.ts";

const lookupMs = 2_000;

/**
 * Refuses an endpoint that no push can reach under the rules as its name resolves here and now. Others are judged when
 * they are connected to, each time; this only tells sooner.
 *
 * @throws QuartetError `invalid_argument`.
 */
export async function requireReachable(endpoint: string, reach: OutsideReach): Promise<void> {
  if (endpoint.startsWith("class:") || !URL.canParse(endpoint)) return;
  const refusal = await findRefusal(new URL(endpoint).hostname, reach, lookupMs);
  if (refusal === undefined) return;
  throw new QuartetError("invalid_argument", `Nothing can be pushed there: ${refusal}`, {
    field: "endpoint",
    fix: "Use an endpoint at a public address, or allow this one to the relay: QUARTET_ALLOW_PRIVATE=10.1.0.0/16",
  });
}
