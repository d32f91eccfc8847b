import { appendFile, chown, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Client } from "pg";
import { copyTree } from "../cluster/postgres/copy-tree.ts";
import { findFreePort } from "../cluster/postgres/free-port.ts";
import { createLocalServer, type LocalServer } from "../cluster/postgres/local-server.ts";
import { openPostgresBinaries } from "../cluster/postgres/postgres-binaries.ts";
import { openPostmaster } from "../cluster/postgres/postmaster.ts";
import { writeServerSettings } from "../cluster/postgres/server-settings.ts";
import { findUnprivilegedUser } from "../cluster/postgres/unprivileged-user.ts";

/** One more replica of a running primary, made by a base backup. Disposing stops it and removes its data. */
export async function openSecondReplica(
  primary: LocalServer,
): Promise<{ readonly server: LocalServer } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const client = new Client({ connectionString: primary.url("postgres") });
  await client.connect();
  const [row] = (await client.query<{ data_directory: string }>("show data_directory")).rows;
  const primaryDir = row?.data_directory ?? "";
  const dataDir = join(dirname(primaryDir), "second");
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const user = await findUnprivilegedUser(primaryDir);
  await client.query("select pg_backup_start('second', true)");
  await copyTree(primaryDir, dataDir, {
    owner: user,
    modeOf: (path, entry) => {
      if (path.startsWith("pg_replslot/") || /^postmaster\./.test(path)) return undefined;
      return entry.isDirectory() ? 0o700 : 0o600;
    },
  });
  const label = await client.query<{ labelfile: string }>("select labelfile from pg_backup_stop(false)");
  await client.end();
  for (const [name, text] of [
    ["backup_label", label.rows[0]?.labelfile ?? ""],
    ["standby.signal", ""],
  ] as const) {
    await writeFile(join(dataDir, name), text, { mode: 0o600 });
    if (user !== undefined) await chown(join(dataDir, name), user.uid, user.gid);
  }
  const port = await findFreePort(dataDir, undefined, new Set());
  const { password } = primary;
  await writeServerSettings(dataDir, { name: "replica", port, password, primaryPort: primary.port }, user);
  // The slot is the other replica's.
  await appendFile(join(dataDir, "postgresql.auto.conf"), "primary_slot_name = ''\n");
  const postmaster = await openPostmaster({
    ...{ binaries: await openPostgresBinaries(user, undefined), user, dataDir },
    log: () => undefined,
    onRestart: () => undefined,
  });
  if (postmaster === "port-taken") throw new Error(`port ${port} was taken`);
  stack.use(postmaster);
  const owned = stack.move();
  return {
    server: createLocalServer({ name: "replica", port, password, currentPid: () => postmaster.pid }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
