import { spawn } from "node:child_process";
import { once } from "node:events";
import { QuartetError } from "../../error/quartet-error.ts";
import { throwIfCanceled } from "./pause.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/** How PostgreSQL's programs are started. */
export interface RunOptions {
  readonly user: UnprivilegedUser | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What every PostgreSQL process gets for an environment. Nothing of the caller's: `PGOPTIONS`, `PGSSLMODE` and their
 * like would change how a standby connects to its primary.
 */
export const postgresEnvironment = Object.freeze({ PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" });

/**
 * Runs a program to its end and returns what it wrote.
 *
 * @throws QuartetError `internal` when it fails, with its output; `deadline_exceeded`; `canceled`.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  throwIfCanceled(options.signal);
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  const child = spawn(program, args, {
    ...(options.user ?? {}),
    cwd: "/", // the caller's may be out of reach for the user
    env: postgresEnvironment,
    detached: true, // Ctrl-C in a terminal reaches the caller only
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  const output = () => Buffer.concat(chunks).toString("utf8").trim();
  try {
    const [code] = await once(child, "close");
    if (code === 0) return output();
  } catch (cause) {
    throwIfCanceled(options.signal);
    const outcome = timeout.aborted ? `did not end within ${options.timeoutMs} ms` : `could not be run`;
    const kind = timeout.aborted ? "deadline_exceeded" : "internal";
    throw new QuartetError(kind, `${program} ${outcome}. ${output()}`.trim(), { cause });
  }
  throw new QuartetError("internal", `${program} failed: ${output()}`);
}
