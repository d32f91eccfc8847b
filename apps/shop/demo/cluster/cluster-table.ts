import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** One process of the cluster, as `cluster.json` tells it. */
export interface ClusterRow {
  readonly name: string;
  readonly pid: number;
  /** Of a process that listens. */
  readonly url: string | undefined;
  /** `host:port` of a PostgreSQL server. */
  readonly database: string;
}

/** What runs where now; undefined while the file is being written. */
export async function readClusterTable(stateDir: string): Promise<readonly ClusterRow[] | undefined> {
  try {
    return JSON.parse(await readFile(join(stateDir, "cluster.json"), "utf8")) as ClusterRow[];
  } catch {
    return undefined;
  }
}

/** Password of the superuser of the cluster's servers. */
export async function readSuperuserPassword(stateDir: string): Promise<string> {
  const text = await readFile(join(stateDir, "postgres", "cluster.json"), "utf8");
  return (JSON.parse(text) as { readonly password: string }).password;
}
