import { join } from "node:path";
import { QuartetError } from "../../error/quartet-error.ts";
import { cloneStandby, isStandbyOf } from "./clone-standby.ts";
import { openFollower } from "./follow-primary.ts";
import { type ClusterContext, type OpenServer, openServer } from "./open-server.ts";
import { removeDataDirectory } from "./partial-folder.ts";

/** A primary and a replica that streams from it. */
export interface ReplicatedPair {
  readonly primary: OpenServer;
  readonly replica: OpenServer;
}

/**
 * Starts the primary and its replica. A replica that does not exist, belongs to another primary, was promoted, or
 * cannot catch up is made anew from the primary, once.
 *
 * @throws QuartetError `unavailable` when the primary does not start, or a new replica does not stream either.
 */
export async function openReplicatedPair(context: ClusterContext): Promise<ReplicatedPair> {
  const first = await openPair(context);
  if (!("reason" in first)) return first;
  context.log("replica", `cannot follow the primary and is made anew: ${messageOf(first.reason)}`);
  await removeDataDirectory(context.location, "replica");
  const second = await openPair(context);
  if (!("reason" in second)) return second;
  throw new QuartetError("unavailable", `The replica does not follow: ${messageOf(second.reason)}`, {
    cause: second.reason,
    fix: "Start with fresh data.",
  });
}

async function openPair(context: ClusterContext): Promise<ReplicatedPair | { readonly reason: unknown }> {
  await makeReplica(context);
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(await openServer(context, "primary"));
  const replica = await openFollower(context, primary);
  if ("reason" in replica) return replica;
  stack.move();
  return { primary, replica };
}

/** The primary is not running yet, which makes a copy of its data directory a consistent one. */
async function makeReplica(context: ClusterContext): Promise<void> {
  const [primaryDir, replicaDir] = [join(context.location, "primary"), join(context.location, "replica")];
  if (await isStandbyOf(primaryDir, replicaDir)) return;
  await removeDataDirectory(context.location, "replica");
  await cloneStandby(primaryDir, replicaDir, context.user);
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
