import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { leaseSql } from "./lease-ddl.ts";

const waitMs = 20_000;
let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create schema quartet");
  for (const statement of leaseSql) await database.query(statement);
});
afterAll(() => database[Symbol.asyncDispose]());

/** What a process said, a line each: `begin <epoch>`, `act <epoch>` every few ms while its signal has not aborted, `end`. */
interface KeeperProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
}

function startKeeper(name: string): KeeperProcess {
  const moduleUrl = new URL("./run-leases.ts", import.meta.url).href;
  const script = `
    import { pino } from "pino";
    import { runLeases } from ${JSON.stringify(moduleUrl)};
    const say = (line) => process.stdout.write(line + "\\n");
    const run = (lease) => new Promise((resolve) => {
      say("begin " + lease.epoch);
      const timer = setInterval(() => {
        const at = process.hrtime.bigint();
        if (!lease.signal.aborted) return say("act " + lease.epoch + " " + at);
        clearInterval(timer);
        say("end " + lease.epoch);
        resolve();
      }, 5);
    });
    const settings = {
      url: ${JSON.stringify(database.url())}, process: ${JSON.stringify(name)},
      wanted: () => ["capture/main"], run, logger: pino({ level: "silent" }),
    };
    await runLeases(settings, new AbortController().signal);
  `;
  const args = ["--input-type=module", "--eval", script];
  const child = spawn(process.execPath, args, {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  return {
    child,
    lines,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function said(keeper: KeeperProcess, word: string): Promise<void> {
  return expect
    .poll(() => keeper.lines.some((line) => line.startsWith(word)), { timeout: waitMs, interval: 10 })
    .toBe(true);
}

test("a process that was stopped and goes on does nothing under the lease that another has by then", async () => {
  await using one = startKeeper("one");
  await said(one, "act");
  one.child.kill("SIGSTOP");
  await using two = startKeeper("two");
  await said(two, "act");
  const before = process.hrtime.bigint(); // the same clock in all processes
  one.child.kill("SIGCONT");
  await said(one, "end");
  // One may have been stopped between its look at the lease and its act: that is what epochs are stored for.
  const acts = one.lines.filter((line) => line.startsWith("act"));
  expect(acts.filter((line) => BigInt(line.split(" ")[2] ?? 0) > before)).toEqual([]);
  const epochs = [one, two].map(({ lines }) => BigInt(lines[0]?.split(" ")[1] ?? 0));
  expect(epochs[0]).toBeLessThan(epochs[1] ?? 0n);
});

test("a process that is killed is followed as soon as its lease has expired", async () => {
  await database.query("truncate quartet.relay_lease, quartet.relay_process");
  await using one = startKeeper("first");
  await said(one, "act");
  await using two = startKeeper("second");
  const processes = () => database.query("select from quartet.relay_process");
  await expect.poll(processes, { timeout: waitMs }).toHaveLength(2);
  one.child.kill("SIGKILL");
  await once(one.child, "exit");
  const [row] = await database.query<{ at: Date }>(
    "select expires_at as at from quartet.relay_lease where holder = 'first'",
  );
  await said(two, "act");
  // An epoch is the database's time of the claim, in ms: not before the other's end, and not two renewals after it.
  const claimedAt = Number(two.lines[0]?.split(" ")[1]);
  const endedAt = row?.at.getTime() ?? 0;
  expect(claimedAt).toBeGreaterThanOrEqual(endedAt - 1);
  expect(claimedAt).toBeLessThan(endedAt + 1_000);
});
