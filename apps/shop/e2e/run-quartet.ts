import { spawn } from "node:child_process";
import { baseEnvironment, quartetScript } from "./open-cluster.ts";

const limitMs = 40_000;

/**
 * Runs a `quartet` command that ends by itself, and gives what it printed.
 *
 * @throws Error with all that it printed when it does not end well.
 */
export async function runQuartet(
  project: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(process.execPath, [quartetScript, "--project", project, ...args], {
    env: { ...baseEnvironment(), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  const printed: string[] = [];
  child.stdout.on("data", (chunk: Buffer) => printed.push(chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => printed.push(chunk.toString("utf8")));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code === 0) return printed.join("");
  throw new Error(`quartet ${args.join(" ")} ended with ${code}:\n${printed.join("")}`);
}
