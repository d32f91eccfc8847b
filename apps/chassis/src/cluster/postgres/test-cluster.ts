import { type LocalPostgresOptions, type LocalServer, openLocalPostgres } from "./open-local-postgres.ts";
import { pollUntil } from "./poll-until.ts";
import { readProcessStart } from "./process-identity.ts";
import { queryServer } from "./query-server.ts";

/** How long a test waits for what must come. */
export const limits = { timeoutMs: 20_000, intervalMs: 20 };

/** Opens a cluster, full and with its data kept unless told otherwise. */
export function open(dataDir: string, more: Partial<LocalPostgresOptions> = {}) {
  return openLocalPostgres({ dataDir, topology: "full", fresh: false, log: () => undefined, ...more });
}

/** Runs one statement on a server of a cluster. */
export function query(server: LocalServer | undefined, statement: string) {
  if (server === undefined) throw new Error("The server is not part of the topology.");
  return queryServer<{ value: unknown }>(server.url("postgres"), statement);
}

/** Makes a table that holds one value. */
export function makeTable(server: LocalServer, value: number) {
  return query(server, `create table kept as select ${value} as value`);
}

/** What a server has in the table of {@link makeTable}, or what the query fails with. */
export async function readTable(server: LocalServer | undefined): Promise<unknown> {
  try {
    return (await query(server, "select value from kept"))[0]?.value;
  } catch (thrown) {
    return thrown;
  }
}

/** Whether a value written to one server arrives on another. */
export async function replicates(
  from: LocalServer,
  to: LocalServer | undefined,
  value: number,
): Promise<boolean> {
  await query(from, "drop table if exists kept");
  await makeTable(from, value);
  const check = async () => ((await readTable(to)) === value ? true : undefined);
  return (await pollUntil(check, limits)) ?? false;
}

/** Waits until the server answers with another process than `pid`. */
export async function waitForOther(server: LocalServer, pid: number): Promise<boolean> {
  const check = async () => {
    if (server.pid === pid) return undefined;
    return await query(server, "select 1").then(
      () => true,
      () => undefined,
    );
  };
  return (await pollUntil(check, limits)) ?? false;
}

/** Waits until a process has ended. */
export async function isGone(pid: number): Promise<boolean> {
  const check = async () => ((await readProcessStart(pid)) === undefined ? true : undefined);
  return (await pollUntil(check, limits)) ?? false;
}
