import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { errorCodeOf } from "./error-code-of.ts";

const execute = promisify(execFile);

/**
 * When a process began, in a form that is only good for comparing: together with the pid it names one process for
 * ever, also when the pid is used again. `undefined` when there is no such process (a zombie is none).
 */
export async function readProcessStart(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return readFromPs(pid, "lstart");
  const stat = await readProc(pid, "stat");
  if (stat === undefined) return undefined;
  // The command, in parentheses, may hold spaces and parentheses: proc_pid_stat(5), state is field 3, starttime 22.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** The arguments a process was started with, joined by spaces; `undefined` when there is no such process. */
export async function readCommandLine(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return readFromPs(pid, "command");
  const line = await readProc(pid, "cmdline");
  return line === undefined || line === "" ? undefined : line.replace(/\0+$/, "").replaceAll("\0", " ");
}

async function readProc(pid: number, file: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${file}`, "utf8");
  } catch (thrown) {
    if (errorCodeOf(thrown) === "ENOENT" || errorCodeOf(thrown) === "ESRCH") return undefined;
    throw thrown;
  }
}

async function readFromPs(pid: number, column: string): Promise<string | undefined> {
  try {
    const { stdout } = await execute("ps", ["-ww", "-o", `${column}=`, "-p", String(pid)], {
      timeout: 5_000,
    });
    return stdout.trim() === "" ? undefined : stdout.trim();
  } catch {
    return undefined; // ps fails when it finds nothing
  }
}
