import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Another Node process that has a local cluster open; killed when disposed. */
export interface TestChild extends AsyncDisposable {
  readonly pid: number;
  /** Postmasters of the cluster: primary, replica, events. */
  readonly servers: readonly number[];
  /** Ends it without a chance to clean up. */
  crash(): Promise<void>;
}

const moduleUrl = new URL("./open-local-postgres.ts", import.meta.url).href;

/** Opens a full local cluster on `dataDir` in a process of its own. */
export async function openTestChild(dataDir: string): Promise<TestChild> {
  const script = `
    import { openLocalPostgres } from ${JSON.stringify(moduleUrl)};
    const options = { dataDir: ${JSON.stringify(dataDir)}, topology: "full", fresh: false, log: () => {} };
    const { primary, replica, events } = await openLocalPostgres(options);
    console.log(JSON.stringify([primary.pid, replica.pid, events.pid]));
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const crash = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  return { pid: child.pid ?? 0, servers: JSON.parse(line), crash, [Symbol.asyncDispose]: crash };
}
