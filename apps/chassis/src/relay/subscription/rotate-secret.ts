import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Pool } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import {
  type SecretSeed,
  SecretSeedSchema,
  type Subscription,
} from "../../gen/quartet/v1/subscription_pb.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { refuseFaults } from "./subscription-fault.ts";
import { lockSubscription, subscriptionWriter } from "./subscription-table.ts";

const dayMs = 86_400_000;
const longestOverlapMs = 30 * dayMs;
/** Each is a signature in the headers of every push. */
const mostSeeds = 8;

/**
 * Has a subscription signed with a new secret from now on, and with those before as well until the overlap has passed.
 * Its row keeps no secret, but the seeds that they are derived from.
 *
 * @param overlapMs 0: the old secret ends at once
 * @throws QuartetError `not_found`, `invalid_argument`, `failed_precondition`.
 */
export async function rotateSecret(
  pool: Pool,
  name: string,
  overlapMs: number = dayMs,
): Promise<Subscription> {
  if (!(overlapMs >= 0 && overlapMs <= longestOverlapMs)) {
    const fix = "It takes up to 30 days.";
    refuseFaults([{ field: "overlap", problem: `is ${overlapMs / 1_000} s`, fix }]);
  }
  return runTransaction(pool, async (client) => {
    const current = await lockSubscription(client, name);
    refuseUnrotatable(current);
    const seeds = rotateSeeds(current.secretSeeds, overlapMs, Date.now());
    if (seeds.length > mostSeeds) throw tooMany(name);
    return subscriptionWriter(client).update(name, (draft) => {
      draft.secretSeeds = seeds;
    });
  });
}

/** Seeds with a new one before them. The newest so far ends after the overlap; what has ended is dropped. */
function rotateSeeds(seeds: readonly SecretSeed[], overlapMs: number, nowMs: number): SecretSeed[] {
  const expireTime = timestampFromMs(nowMs + overlapMs);
  // Without seeds it was signed with that of its name alone, which is that of an empty one.
  const [newest = create(SecretSeedSchema), ...older] = seeds;
  const old = [create(SecretSeedSchema, { seed: newest.seed, expireTime }), ...older];
  const kept = old.filter((seed) => seed.expireTime !== undefined && timestampMs(seed.expireTime) > nowMs);
  return [create(SecretSeedSchema, { seed: randomBytes(16).toString("base64url") }), ...kept];
}

function refuseUnrotatable({ name, endpoint, replayOf }: Subscription): void {
  if (endpoint.startsWith("class:")) {
    throw new QuartetError("failed_precondition", `${name} is signed with the deployment's own secret.`, {
      field: "name",
      fix: "Put the new one first in QUARTET_SECRET, and the old one after it.",
    });
  }
  if (replayOf === "") return;
  throw new QuartetError("failed_precondition", `${name} is a replay: it is signed as ${replayOf} was.`, {
    field: "name",
    fix: `Rotate the secret of ${replayOf}.`,
  });
}

function tooMany(name: string): QuartetError {
  return new QuartetError("failed_precondition", `${name} is signed with ${mostSeeds} secrets already.`, {
    field: "name",
    fix: "Wait until some have ended, or rotate once with an overlap of 0.",
  });
}
