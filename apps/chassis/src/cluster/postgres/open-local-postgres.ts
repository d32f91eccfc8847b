import { chmod, mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { openClusterServers } from "./cluster-servers.ts";
import { createClusterState, readClusterState, writeClusterState } from "./cluster-state.ts";
import { openDataLocation } from "./data-location.ts";
import { openDataLock } from "./data-lock.ts";
import { initialiseServer } from "./initialise-server.ts";
import type { LocalServer, LocalServerName } from "./local-server.ts";
import type { ClusterContext } from "./open-server.ts";
import { stopOrphanedPostmaster } from "./orphaned-postmaster.ts";
import { removeDataDirectory, removePartialFolders } from "./partial-folder.ts";
import { throwIfCanceled } from "./pause.ts";
import { createPortBook } from "./port-book.ts";
import { openPostgresBinaries } from "./postgres-binaries.ts";
import { settleAll } from "./settle-all.ts";
import { findUnprivilegedUser } from "./unprivileged-user.ts";

export type { LocalServer, LocalServerName } from "./local-server.ts";

/** Which servers to run, and on which data. */
export interface LocalPostgresOptions {
  /** Absolute path of the folder that identifies the cluster and holds its state; created when missing. */
  readonly dataDir: string;
  /** `single`: only the primary; `full`: primary, streaming replica and events server. */
  readonly topology: "single" | "full";
  /** Erase all data first. Ports are kept. */
  readonly fresh: boolean;
  /** Gets every line the servers log. */
  readonly log: (server: LocalServerName, line: string) => void;
  /** Cancels the start. To stop the servers later, dispose. */
  readonly signal?: AbortSignal;
}

/** Running servers. Disposing stops them: replica and events first, then the primary; then frees the data folder. */
export interface LocalPostgres extends AsyncDisposable {
  readonly primary: LocalServer;
  readonly replica: LocalServer | undefined;
  readonly events: LocalServer | undefined;
  /** Calls the listener each time a server that ended unasked accepts connections again. */
  onChange(listener: () => void): void;
}

const serverNames = ["primary", "replica", "events"] as const;

/**
 * Runs PostgreSQL as children of this process and keeps them running until disposed. Resolves when every server
 * accepts connections and the replica streams. What an earlier, killed run left behind (servers still running, stale
 * lock files, half-made data) is cleaned up first. Works as root and as an ordinary user.
 *
 * @throws QuartetError `failed_precondition` when another run uses the folder or PostgreSQL cannot run here;
 * `unavailable` when a server does not start; `canceled`.
 */
export async function openLocalPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  throwIfCanceled(options.signal);
  await using stack = new AsyncDisposableStack();
  const dataDir = await openDataFolder(options.dataDir);
  stack.use(await openDataLock(dataDir));
  const listeners = new Set<() => void>();
  const context = await prepare(dataDir, options, () => {
    for (const listener of listeners) queueMicrotask(listener); // one that throws must not end the supervision
  });
  const servers = stack.use(await openClusterServers(context, options.topology));
  const owned = stack.move();
  return {
    primary: servers.primary.server,
    replica: servers.replica?.server,
    events: servers.events?.server,
    onChange: (listener) => void listeners.add(listener),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The real path, so that a checkout reached by two names is one cluster. */
async function openDataFolder(path: string): Promise<string> {
  const created = await mkdir(path, { recursive: true });
  if (created !== undefined) await chmod(path, 0o755); // whatever the umask: PostgreSQL has to pass through
  return await realpath(path);
}

/** Cleans up behind earlier runs and makes the data directories. */
async function prepare(
  dataDir: string,
  options: LocalPostgresOptions,
  onRestart: () => void,
): Promise<ClusterContext> {
  const { log, signal } = options;
  const user = await findUnprivilegedUser(join(dataDir, "primary"));
  const [location, binaries] = await Promise.all([
    openDataLocation(dataDir, user),
    openPostgresBinaries(user, signal),
  ]);
  await settleAll(
    serverNames.map(async (name) => {
      const pid = await stopOrphanedPostmaster(join(location, name));
      if (pid !== undefined) log(name, `stopped the server of an earlier run (process ${pid})`);
    }),
  );
  await removePartialFolders(location);
  const kept = await readClusterState(dataDir);
  // Without the state nobody knows the password of the data.
  if (options.fresh || kept === undefined) await eraseData(location);
  const state =
    options.fresh || kept === undefined ? { ...createClusterState(), ports: kept?.ports ?? {} } : kept;
  await writeClusterState(dataDir, state);
  const { password } = state;
  const initialised =
    options.topology === "single" ? (["primary"] as const) : (["primary", "events"] as const);
  await settleAll(
    initialised.map((name) => initialiseServer(join(location, name), { binaries, user, password, signal })),
  );
  return {
    location,
    binaries,
    user,
    password,
    ports: createPortBook(dataDir, state),
    log,
    onRestart,
    signal,
  };
}

async function eraseData(location: string): Promise<void> {
  await Promise.all(serverNames.map((name) => removeDataDirectory(location, name)));
}
