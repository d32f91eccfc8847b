import { chown, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type LocalServerName, localHost, superuser } from "./local-server.ts";
import { replicaName } from "./replication-slot.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/** What a server's settings depend on. */
export interface ServerSettings {
  readonly name: LocalServerName;
  readonly port: number;
  readonly password: string;
  /** Of the primary that a replica follows. */
  readonly primaryPort: number | undefined;
}

/**
 * Writes `postgresql.conf`. The file is ours and is written before every start, because ports may change; what a user
 * sets with ALTER SYSTEM lives in `postgresql.auto.conf` and wins.
 */
export async function writeServerSettings(
  dataDir: string,
  settings: ServerSettings,
  user: UnprivilegedUser | undefined,
): Promise<void> {
  const path = join(dataDir, "postgresql.conf");
  await writeFile(`${path}.new`, formatSettings(settings), { mode: 0o600 });
  if (user !== undefined) await chown(`${path}.new`, user.uid, user.gid);
  await rename(`${path}.new`, path);
}

function formatSettings(settings: ServerSettings): string {
  const all = { ...commonSettings, port: String(settings.port), ...standbySettings(settings) };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${quote(value)}`);
  return `# Written at every start. Use ALTER SYSTEM for settings of your own.\n${lines.join("\n")}\n`;
}

/** The same on primary and standby, as a standby may not have less than its primary of several of these. */
const commonSettings = {
  listen_addresses: localHost,
  unix_socket_directories: "", // their paths have a limit that a deep checkout exceeds
  password_encryption: "scram-sha-256",
  max_connections: "200",
  shared_buffers: "128MB",
  wal_level: "logical",
  max_wal_senders: "20",
  max_replication_slots: "20",
  max_slot_wal_keep_size: "2GB", // without it, one forgotten slot fills the disk
  wal_keep_size: "64MB", // covers the time between the copy of a standby and the creation of its slot
  wal_sender_timeout: "10s",
  wal_compression: "pglz", // the builds on npm have no lz4
  fsync: "on",
  synchronous_commit: "on",
  jit: "off", // costs more than it saves on short statements
  timezone: "UTC",
  log_timezone: "UTC",
  log_destination: "stderr",
  logging_collector: "off",
  log_checkpoints: "off",
} as const;

function standbySettings(settings: ServerSettings): Record<string, string> {
  if (settings.name !== "replica" || settings.primaryPort === undefined) return {};
  return {
    hot_standby: "on",
    hot_standby_feedback: "on",
    primary_slot_name: replicaName,
    primary_conninfo: formatConnection(settings.primaryPort, settings.password),
    wal_retrieve_retry_interval: "200ms", // the default of 5 s is the pause after each restart of the primary
    wal_receiver_timeout: "10s",
    wal_receiver_status_interval: "1s",
  };
}

/** The password is of letters, digits, `-` and `_`, so nothing in here needs quoting for libpq. */
function formatConnection(port: number, password: string): string {
  const parts = {
    host: localHost,
    port,
    user: superuser,
    password,
    dbname: "postgres",
    application_name: replicaName,
    sslmode: "disable",
    gssencmode: "disable",
  };
  return Object.entries(parts)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function quote(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
