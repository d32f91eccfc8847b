import { randomBytes, randomUUID } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unlessMissing } from "./error-code-of.ts";
import type { LocalServerName } from "./local-server.ts";

/** What a local cluster remembers from run to run. */
export interface ClusterState {
  /** Of the superuser, on every server. */
  readonly password: string;
  readonly ports: Readonly<Partial<Record<LocalServerName, number>>>;
}

const fileName = "cluster.json";

/** A state for a cluster without data. */
export function createClusterState(): ClusterState {
  return { password: randomBytes(24).toString("base64url"), ports: {} };
}

/** The state kept in a data folder; `undefined` when there is none that can be read. */
export async function readClusterState(dataDir: string): Promise<ClusterState | undefined> {
  const text = await unlessMissing(readFile(join(dataDir, fileName), "utf8"));
  return text === undefined ? undefined : parseClusterState(text);
}

/** Keeps the state, for the caller's eyes only; a reader sees the old or the new one, never half of it. */
export async function writeClusterState(dataDir: string, state: ClusterState): Promise<void> {
  const draft = join(dataDir, `${fileName}.${randomUUID()}`);
  await writeFile(draft, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600, flush: true });
  await rename(draft, join(dataDir, fileName));
}

function parseClusterState(text: string): ClusterState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || typeof value["password"] !== "string") return undefined;
  const ports: Partial<Record<LocalServerName, number>> = {};
  const kept = isObject(value["ports"]) ? value["ports"] : {};
  for (const name of ["primary", "replica", "events"] as const) {
    const port = kept[name];
    if (typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536) ports[name] = port;
  }
  return { password: value["password"], ports };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
