import { QuartetError } from "../../error/quartet-error.ts";
import { type ClusterContext, type OpenServer, openServer } from "./open-server.ts";
import { pollUntil } from "./poll-until.ts";
import { isReplicaStreaming, openReplicationSlot } from "./replication-slot.ts";

/** Why a replica cannot follow its primary; only making it anew helps. */
export interface FollowFailure {
  readonly reason: unknown;
}

/** A replica with much to catch up is at work for as long as it needs, within reason. */
const streamingTimeoutMs = 60_000;

/** What a standby logs when it will never be able to follow this primary. */
const hopeless = new RegExp(
  [
    "requested WAL segment \\S+ has already been removed",
    "database system identifier differs",
    "is not a child of this server's history",
    "highest timeline \\d+ of the primary is behind",
    "is ahead of the WAL flush position",
    "can no longer (access|get changes from) replication slot",
    "new timeline \\d+ forked off",
    "PANIC:",
  ].join("|"),
);

/**
 * Starts the replica and waits until it streams from the primary.
 *
 * @throws QuartetError `canceled`; what a query to the primary fails with.
 */
export async function openFollower(
  context: ClusterContext,
  primary: OpenServer,
): Promise<OpenServer | FollowFailure> {
  const url = primary.server.url("postgres");
  await openReplicationSlot(url);
  let lastWords: string | undefined;
  const watch = (line: string) => {
    if (hopeless.test(line)) lastWords = line;
  };
  const replica = await startReplica(context, primary, watch);
  if ("reason" in replica) return replica;
  const look = async () => lastWords ?? ((await isReplicaStreaming(url)) ? true : undefined);
  const limits = { timeoutMs: streamingTimeoutMs, intervalMs: 25, signal: context.signal };
  try {
    const outcome = await pollUntil(look, limits);
    if (outcome === true) return replica;
    await replica[Symbol.asyncDispose]();
    return { reason: outcome ?? `it does not stream after ${streamingTimeoutMs} ms` };
  } catch (thrown) {
    await replica[Symbol.asyncDispose]();
    throw thrown;
  }
}

async function startReplica(context: ClusterContext, primary: OpenServer, watch: (line: string) => void) {
  try {
    return await openServer(context, "replica", primary.server.port, watch);
  } catch (reason) {
    if (reason instanceof QuartetError && reason.code === "unavailable") return { reason };
    throw reason;
  }
}
