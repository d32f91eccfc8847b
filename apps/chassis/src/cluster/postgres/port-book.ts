import { type ClusterState, writeClusterState } from "./cluster-state.ts";
import { findFreePort } from "./free-port.ts";
import type { LocalServerName } from "./local-server.ts";

/** Hands out ports and remembers them for the next run. */
export interface PortBook {
  /** A free port, the same as last time where possible; one that no other server of the cluster has. */
  take(name: LocalServerName): Promise<number>;
}

/** Opens the port book of a cluster: ports found are written to the state in `dataDir`. */
export function createPortBook(dataDir: string, state: ClusterState): PortBook {
  let ports = state.ports;
  const take = async (name: LocalServerName) => {
    const others = Object.entries(ports).filter(([other]) => other !== name);
    const excluded = new Set(others.map(([, port]) => port));
    const port = await findFreePort(`${dataDir}/${name}`, ports[name], excluded);
    if (port === ports[name]) return port;
    ports = { ...ports, [name]: port };
    await writeClusterState(dataDir, { ...state, ports });
    return port;
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    // One after the other: two servers that start together must not find the same port.
    take(name) {
      const next = last.then(() => take(name));
      last = next.catch(() => undefined);
      return next;
    },
  };
}
