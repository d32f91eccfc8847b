import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { LocalPostgresOptions } from "./open-local-postgres.ts";
import { readProcessStart } from "./process-identity.ts";
import { openTestChild } from "./test-child.ts";
import { isGone, open, query, replicates } from "./test-cluster.ts";
import { openTestFolder } from "./test-folder.ts";

describe("openLocalPostgres after a crash", { timeout: 120_000 }, () => {
  test("disposing right after a kill leaves no server behind", async () => {
    await using folder = await openTestFolder();
    const postgres = await open(folder.path);
    process.kill(postgres.primary.pid, "SIGKILL");
    await postgres[Symbol.asyncDispose]();
    expect(await readProcessStart(postgres.primary.pid)).toBeUndefined();
    await using again = await open(folder.path);
    expect(await replicates(again.primary, again.replica, 6)).toBe(true);
  });

  test("servers that a killed run left behind are stopped by the next run, which keeps the data", async () => {
    await using folder = await openTestFolder();
    await using child = await openTestChild(folder.path);
    await child.crash();
    for (const pid of child.servers) expect(await readProcessStart(pid)).toBeDefined();
    await using postgres = await open(folder.path);
    for (const pid of child.servers) expect(await readProcessStart(pid)).toBeUndefined();
    expect(await replicates(postgres.primary, postgres.replica, 9)).toBe(true);
  });

  test("a promoted replica is made anew", async () => {
    await using folder = await openTestFolder();
    await (async () => {
      await using postgres = await open(folder.path);
      await query(postgres.replica, "select pg_promote() as value");
    })();
    await using postgres = await open(folder.path);
    expect(await replicates(postgres.primary, postgres.replica, 1)).toBe(true);
  });

  test("a replica whose WAL is gone is made anew", async () => {
    await using folder = await openTestFolder();
    await (async () => {
      await using _ = await open(folder.path);
    })();
    await (async () => {
      await using postgres = await open(folder.path, { topology: "single" });
      await query(postgres.primary, "select pg_drop_replication_slot('quartet_replica')");
      for (let segment = 0; segment < 8; segment++) {
        await query(postgres.primary, "select pg_logical_emit_message(true, 'test', 'filler')");
        await query(postgres.primary, "select pg_switch_wal()");
      }
      await query(postgres.primary, "checkpoint");
    })();
    const lines: string[] = [];
    await using postgres = await open(folder.path, { log: (_, line) => lines.push(line) });
    expect(lines.join("\n")).toMatch(/is made anew: .*already been removed/);
    expect(await replicates(postgres.primary, postgres.replica, 2)).toBe(true);
  });

  test("half-made data and stale lock files do not stop the next start", async () => {
    await using folder = await openTestFolder();
    await (async () => {
      await using _ = await open(folder.path);
    })();
    await writeFile(join(folder.path, "primary.partial-1"), "");
    await writeFile(join(folder.path, "lock"), `${process.pid} 1 of-another-process-with-this-pid\n`);
    await writeFile(join(folder.path, "primary", "postmaster.pid"), `${process.pid}\n`);
    await rm(join(folder.path, "replica", "PG_VERSION"));
    await using postgres = await open(folder.path);
    expect(await replicates(postgres.primary, postgres.replica, 1)).toBe(true);
    expect(await readdir(folder.path)).not.toContain("primary.partial-1");
  });

  test("a process that merely has the pid of a former postmaster is left alone", async () => {
    await using folder = await openTestFolder();
    await using other = await openTestFolder();
    await (async () => {
      await using _ = await open(folder.path, { topology: "single" });
    })();
    await using bystander = await open(other.path, { topology: "single" });
    const { pid } = bystander.primary;
    await writeFile(join(folder.path, "primary", "postmaster.pid"), `${pid}\n${folder.path}/primary\n`);
    await using postgres = await open(folder.path, { topology: "single" });
    expect(await query(postgres.primary, "select 1 as value")).toEqual([{ value: 1 }]);
    expect(bystander.primary.pid).toBe(pid);
    expect(await query(bystander.primary, "select 1 as value")).toEqual([{ value: 1 }]);
  });

  test("a canceled start leaves nothing running and the folder free", async () => {
    await using folder = await openTestFolder();
    const servers: number[] = [];
    const stop = new AbortController();
    const log: LocalPostgresOptions["log"] = (_, line) => {
      const pid = /\[(\d+)\].*starting PostgreSQL/.exec(line)?.[1];
      if (pid === undefined) return;
      servers.push(Number(pid));
      stop.abort();
    };
    await expect(open(folder.path, { log, signal: stop.signal })).rejects.toMatchObject({ code: "canceled" });
    expect(servers).not.toEqual([]);
    for (const pid of servers) expect(await isGone(pid)).toBe(true);
    await using postgres = await open(folder.path);
    expect(await replicates(postgres.primary, postgres.replica, 1)).toBe(true);
  });
});
