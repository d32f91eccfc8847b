import { chmod, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readClusterState } from "./cluster-state.ts";
import { openDataLocation } from "./data-location.ts";
import { pollUntil } from "./poll-until.ts";
import { readProcessStart } from "./process-identity.ts";
import { queryServer } from "./query-server.ts";
import { openTestChild } from "./test-child.ts";
import { limits, makeTable, open, query, readTable, replicates, waitForOther } from "./test-cluster.ts";
import { openTestFolder } from "./test-folder.ts";
import { findUnprivilegedUser } from "./unprivileged-user.ts";

const isRoot = process.getuid?.() === 0;

describe("openLocalPostgres", { timeout: 120_000 }, () => {
  test("a row written on the primary appears on the replica, and not on the events server", async () => {
    await using folder = await openTestFolder();
    await using postgres = await open(folder.path);
    expect(await replicates(postgres.primary, postgres.replica, 1)).toBe(true);
    expect(await readTable(postgres.events)).toMatchObject({ code: "42P01" });
    expect(await query(postgres.replica, "select pg_is_in_recovery() as value")).toEqual([{ value: true }]);
    const system = "select system_identifier::text as value from pg_control_system()";
    expect(await query(postgres.events, system)).not.toEqual(await query(postgres.primary, system));
  });

  test("disposing ends every server, and the next run has the same data on the same ports", async () => {
    await using folder = await openTestFolder();
    const first = await open(folder.path);
    const servers = [first.primary, first.replica, first.events].map((server) => server?.pid ?? 0);
    await makeTable(first.primary, 7);
    await first[Symbol.asyncDispose]();
    for (const pid of servers) expect(await readProcessStart(pid)).toBeUndefined();
    await using second = await open(folder.path);
    expect(await readTable(second.primary)).toBe(7);
    expect(second.primary.url("postgres")).toBe(first.primary.url("postgres"));
    expect(await replicates(second.primary, second.replica, 8)).toBe(true);
  });

  test("fresh erases the data", async () => {
    await using folder = await openTestFolder();
    await (async () => {
      await using postgres = await open(folder.path);
      await makeTable(postgres.primary, 1);
    })();
    await using postgres = await open(folder.path, { fresh: true });
    expect(await readTable(postgres.primary)).toMatchObject({ code: "42P01" });
    expect(await replicates(postgres.primary, postgres.replica, 2)).toBe(true);
  });

  test("a single server with data gets a replica later", async () => {
    await using folder = await openTestFolder();
    await (async () => {
      await using postgres = await open(folder.path, { topology: "single" });
      expect([postgres.replica, postgres.events]).toEqual([undefined, undefined]);
      await makeTable(postgres.primary, 3);
    })();
    await using postgres = await open(folder.path);
    expect(await readTable(postgres.replica)).toBe(3);
    expect(await replicates(postgres.primary, postgres.replica, 4)).toBe(true);
  });

  test.each(["primary", "replica", "events"] as const)(
    "a killed %s server is back on its port",
    async (name) => {
      await using folder = await openTestFolder();
      await using postgres = await open(folder.path);
      let changes = 0;
      postgres.onChange(() => changes++);
      for (let round = 1; round <= 3; round++) {
        const server = postgres[name];
        if (server === undefined) throw new Error("missing");
        const pid = server.pid;
        process.kill(pid, "SIGKILL");
        expect(await waitForOther(server, pid)).toBe(true);
        expect(await pollUntil(() => (changes === round ? true : undefined), limits)).toBe(true);
      }
      expect(await replicates(postgres.primary, postgres.replica, 5)).toBe(true);
    },
  );

  test.runIf(process.platform === "linux")(
    "a killed server is back although a query of it goes on",
    async () => {
      await using folder = await openTestFolder();
      await using postgres = await open(folder.path, { topology: "single" });
      const { pid } = postgres.primary;
      const endless = query(postgres.primary, "select count(*) as value from generate_series(1, 1e12)").catch(
        () => undefined,
      );
      const active =
        "select 1 as value from pg_stat_activity where query like '%1e12%' and pid <> pg_backend_pid()";
      await pollUntil(
        async () => ((await query(postgres.primary, active)).length > 0 ? true : undefined),
        limits,
      );
      process.kill(pid, "SIGKILL");
      expect(await waitForOther(postgres.primary, pid)).toBe(true);
      await endless;
    },
  );

  test("a second run on the same folder is refused and names the first", async () => {
    await using folder = await openTestFolder();
    await using child = await openTestChild(folder.path);
    await expect(open(folder.path)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining(`process ${child.pid}`),
    });
    await child.crash();
    await using postgres = await open(folder.path);
    await expect(open(folder.path)).rejects.toThrow(`process ${process.pid}`);
    expect(await query(postgres.primary, "select 1 as value")).toEqual([{ value: 1 }]);
  });

  test("two folders run at once", async () => {
    await using one = await openTestFolder();
    await using other = await openTestFolder();
    const opened = await Promise.all([open(one.path), open(other.path)]);
    await using first = opened[0];
    await using second = opened[1];
    const ports = [first, second].flatMap((each) => [each.primary, each.replica, each.events]);
    expect(new Set(ports.map((server) => server?.port)).size).toBe(6);
    expect(await replicates(first.primary, first.replica, 1)).toBe(true);
    expect(await replicates(second.primary, second.replica, 2)).toBe(true);
  });

  test("when remembered ports are taken, new ones are found and the replica follows", async () => {
    await using one = await openTestFolder();
    await using other = await openTestFolder();
    await (async () => {
      await using _ = await open(one.path);
    })();
    const state = await readClusterState(one.path);
    await writeFile(join(other.path, "cluster.json"), JSON.stringify(state));
    await using _holder = await open(other.path);
    await using postgres = await open(one.path);
    expect(postgres.primary.port).not.toBe(state?.ports.primary);
    expect(await replicates(postgres.primary, postgres.replica, 3)).toBe(true);
  });

  test("the password is for the caller's eyes only", async () => {
    await using folder = await openTestFolder();
    await using postgres = await open(folder.path, { topology: "single" });
    expect((await stat(join(folder.path, "cluster.json"))).mode & 0o777).toBe(0o600);
    const { primary } = postgres;
    const refused = queryServer(primary.url("postgres", primary.superuser, "wrong"), "select 1");
    await expect(refused).rejects.toMatchObject({ code: "28P01" });
  });

  test.runIf(isRoot)("runs below a folder only root may enter, and keeps the data", async () => {
    await using folder = await openTestFolder();
    await chmod(folder.path, 0o700);
    const dataDir = join(folder.path, "data");
    await (async () => {
      await using postgres = await open(dataDir);
      await makeTable(postgres.primary, 11);
    })();
    const location = await openDataLocation(dataDir, await findUnprivilegedUser(dataDir));
    try {
      expect(location.startsWith(dataDir)).toBe(false);
      await using postgres = await open(dataDir);
      expect(await readTable(postgres.primary)).toBe(11);
      expect(await readTable(postgres.replica)).toBe(11);
    } finally {
      await rm(location, { recursive: true, force: true });
    }
  });
});
