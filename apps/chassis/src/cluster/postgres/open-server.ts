import { join } from "node:path";
import { QuartetError } from "../../error/quartet-error.ts";
import { createLocalServer, type LocalServer, type LocalServerName } from "./local-server.ts";
import type { PortBook } from "./port-book.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { openPostmaster } from "./postmaster.ts";
import { writeServerSettings } from "./server-settings.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/** What all servers of a cluster share while it is open. */
export interface ClusterContext {
  /** The folder of the data directories. */
  readonly location: string;
  readonly binaries: PostgresBinaries;
  readonly user: UnprivilegedUser | undefined;
  readonly password: string;
  readonly ports: PortBook;
  readonly log: (server: LocalServerName, line: string) => void;
  readonly onRestart: () => void;
  readonly signal: AbortSignal | undefined;
}

/** A running server, owned by who opened it. */
export interface OpenServer extends AsyncDisposable {
  readonly server: LocalServer;
}

/** Times another process may take a port between our look and PostgreSQL's bind. */
const maxPortAttempts = 10;

/**
 * Starts a server whose data directory exists, on its remembered port or a new one.
 *
 * @throws QuartetError `unavailable` when it does not start.
 */
export async function openServer(
  context: ClusterContext,
  name: LocalServerName,
  primaryPort?: number,
  watch: (line: string) => void = () => undefined,
): Promise<OpenServer> {
  const { binaries, user, password, onRestart, signal } = context;
  const dataDir = join(context.location, name);
  const log = (line: string) => {
    watch(line);
    context.log(name, line);
  };
  for (let attempt = 0; attempt < maxPortAttempts; attempt++) {
    const port = await context.ports.take(name);
    await writeServerSettings(dataDir, { name, port, password, primaryPort }, user);
    const postmaster = await openPostmaster({ binaries, user, dataDir, log, onRestart, signal });
    if (postmaster === "port-taken") continue;
    const server = createLocalServer({ name, port, password, currentPid: () => postmaster.pid });
    return { server, [Symbol.asyncDispose]: () => postmaster[Symbol.asyncDispose]() };
  }
  throw new QuartetError("unavailable", `No port for the ${name} server in ${maxPortAttempts} attempts.`);
}
