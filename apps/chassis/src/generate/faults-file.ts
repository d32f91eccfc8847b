import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** What protoc-gen-quartet generates when the protos cannot be tables: a JSON array of lines, one a fault. */
export const faultsFile = "faults.json";

/** The faults that the plugin found; none when it generated code. */
export async function readFaults(generated: string): Promise<readonly string[]> {
  const text = await readFile(join(generated, faultsFile), "utf8").catch(() => "[]");
  return JSON.parse(text) as string[]; // Written by our own plugin, a moment ago.
}
