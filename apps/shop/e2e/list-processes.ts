import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** One process of this machine. */
export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** All processes of this machine that run; zombies have ended. */
export async function listProcesses(): Promise<RunningProcess[]> {
  const { stdout } = await execute("ps", ["-A", "-ww", "-o", "pid=,ppid=,stat=,command="], {
    maxBuffer: 16_777_216,
  });
  return stdout.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line);
    if (match === null || match[3]?.startsWith("Z")) return [];
    return [{ pid: Number(match[1]), parent: Number(match[2]), command: match[4] ?? "" }];
  });
}

/** The processes below one, at any depth. */
export async function listDescendants(pid: number): Promise<RunningProcess[]> {
  const all = await listProcesses();
  const found: RunningProcess[] = [];
  for (let parents = [pid]; parents.length > 0; ) {
    const children = all.filter((process) => parents.includes(process.parent));
    found.push(...children);
    parents = children.map((process) => process.pid);
  }
  return found;
}

/** Those of the given processes that still run. */
export async function listAlive(processes: readonly RunningProcess[]): Promise<RunningProcess[]> {
  const pids = new Set((await listProcesses()).map((process) => process.pid));
  return processes.filter((process) => pids.has(process.pid));
}
