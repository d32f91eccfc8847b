import { type ChildProcess, spawn } from "node:child_process";
import { delimiter, dirname } from "node:path";

/** What a program said, when it ran to its end. */
export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What npm tells its scripts about the package they belong to, and what configures a platform or a test. */
const foreign =
  /^(npm_(package|lifecycle|config_(local_prefix|workspace))|QUARTET_|VITEST|NODE_(ENV|OPTIONS)$|(EVENTS_)?DATABASE_URL$|PORT$)/;

/** This environment, with this Node first on the PATH and without what would reach into another package. */
export function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || foreign.test(name) ? [] : [[name, value] as const],
  );
  const path = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`;
  return { ...Object.fromEntries(kept), PATH: path };
}

/** Runs a program to its end, at most `limitMs`. */
export async function runProgram(
  program: string,
  args: readonly string[],
  cwd: string,
  limitMs: number,
): Promise<Ended> {
  const child = spawn(program, args, {
    cwd,
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const exitCode = await awaitClose(child);
  return { exitCode, stdout: stdout(), stderr: stderr() };
}

/** @throws Error with what the program printed when it fails. */
export async function runToSuccess(
  program: string,
  args: readonly string[],
  cwd: string,
  limitMs: number,
): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, args, cwd, limitMs);
  if (exitCode === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")} ended with ${exitCode}:\n${stdout}\n${stderr}`);
}

/** Command lines of this machine's processes that name `folder`. */
export async function listProcessesOf(folder: string): Promise<string[]> {
  const all = await runToSuccess("ps", ["-A", "-ww", "-o", "pid=,stat=,args="], "/", 10_000);
  return all.split("\n").filter((line) => line.includes(folder) && !/^\s*\d+\s+Z/.test(line));
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

function awaitClose(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}
