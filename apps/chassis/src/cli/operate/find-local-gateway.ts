import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProcessStatus } from "../../cluster/supervised-process.ts";

/** The gateway of the local cluster, from the table that is there while `quartet dev` runs. Undefined without one. */
export async function findLocalGateway(stateDir: string): Promise<string | undefined> {
  try {
    const rows = JSON.parse(
      await readFile(join(stateDir, "cluster.json"), "utf8"),
    ) as readonly ProcessStatus[];
    return rows.find(({ name }) => name === "gateway")?.url;
  } catch {
    return undefined;
  }
}
