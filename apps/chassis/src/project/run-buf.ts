import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";

/** What buf said, when it ran to its end. */
export interface BufResult {
  readonly exitCode: number;
  readonly output: string;
}

/**
 * Runs the buf that the chassis depends on (never another one on the PATH).
 *
 * @throws QuartetError `failed_precondition` when buf is not installed for this platform.
 */
export async function runBuf(args: readonly string[], cwd: string): Promise<BufResult> {
  const child = spawn(findBuf(), args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  return { exitCode, output: Buffer.concat(chunks).toString("utf8").trim() };
}

function findBuf(): string {
  const require = createRequire(import.meta.url);
  const name = `@bufbuild/buf-${process.platform}-${process.arch}`;
  try {
    const meta = createRequire(require.resolve("@bufbuild/buf/package.json"));
    const binary = join(dirname(meta.resolve(`${name}/package.json`)), "bin", "buf");
    if (existsSync(binary)) return binary;
  } catch (cause) {
    throw bufMissing(name, cause);
  }
  throw bufMissing(name, undefined);
}

function bufMissing(name: string, cause: unknown): QuartetError {
  return new QuartetError("failed_precondition", `buf is not installed for this platform (${name}).`, {
    cause,
    fix: "Install with optional dependencies: npm ci --include=optional",
  });
}
