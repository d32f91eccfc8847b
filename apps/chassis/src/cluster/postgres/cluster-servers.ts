import { QuartetError } from "../../error/quartet-error.ts";
import { type ClusterContext, type OpenServer, openServer } from "./open-server.ts";
import { openReplicatedPair } from "./replicated-pair.ts";

/** The servers of a cluster, stopped together. */
export interface ClusterServers extends AsyncDisposable {
  readonly primary: OpenServer;
  readonly replica: OpenServer | undefined;
  readonly events: OpenServer | undefined;
}

/** Starts the servers of a topology, as much at once as can be; when one fails, the others are stopped. */
export async function openClusterServers(
  context: ClusterContext,
  topology: "single" | "full",
): Promise<ClusterServers> {
  if (topology === "single") return own({ primary: await openServer(context, "primary") });
  const [pair, events] = await Promise.allSettled([
    openReplicatedPair(context),
    openServer(context, "events"),
  ]);
  if (pair.status === "rejected") {
    if (events.status === "fulfilled") await events.value[Symbol.asyncDispose]();
    throw pair.reason;
  }
  if (events.status === "rejected") {
    await own(pair.value)[Symbol.asyncDispose]();
    throw events.reason;
  }
  return own({ ...pair.value, events: events.value });
}

interface OwnedServers {
  readonly primary: OpenServer;
  readonly replica?: OpenServer;
  readonly events?: OpenServer;
}

function own({ primary, replica, events }: OwnedServers): ClusterServers {
  const groups = [[replica, events], [primary]]; // a replica that still follows would hold up its primary
  const dispose = async () => {
    const failures: unknown[] = [];
    for (const group of groups) {
      const results = await Promise.allSettled(group.map((server) => server?.[Symbol.asyncDispose]()));
      for (const result of results) if (result.status === "rejected") failures.push(result.reason);
    }
    if (failures.length === 0) return;
    const cause = new AggregateError(failures, failures.map(String).join("\n"));
    throw new QuartetError("internal", `Not all servers could be stopped: ${cause.message}`, { cause });
  };
  return { primary, replica, events, [Symbol.asyncDispose]: dispose };
}
