import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { openTestServer } from "../src/cluster/postgres/test-database.ts";
import { openTestFolder } from "../src/cluster/postgres/test-folder.ts";

const root = join(import.meta.dirname, "..", "..", "..");

interface Row {
  readonly name: string;
  readonly class: string;
  readonly url?: string;
}

test("quartet dev runs on servers that are given by URL, and starts none of its own", async () => {
  await using server = await openTestServer("full");
  await using folder = await openTestFolder();
  const { primary, replica, events } = server.postgres;
  const quartet = spawn(
    process.execPath,
    [
      join(root, "apps/chassis/bin/quartet.js"),
      ...["--project", join(root, "apps/shop"), "dev", "--json", "--no-watch", "--state", folder.path],
      ...["--primary-url", primary.url("postgres")],
      ...["--replica-url", replica?.url("postgres") ?? ""],
      ...["--events-url", events?.url("postgres") ?? ""],
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  try {
    const [line] = (await once(createInterface({ input: quartet.stdout }), "line")) as [string];
    const rows = JSON.parse(line) as Row[];
    expect(rows.map((row) => row.name).sort()).toEqual([
      "crud",
      "gateway",
      "lambda",
      "micro",
      "nano",
      "relay",
    ]);
    expect(rows.filter((row) => row.class === row.name)).toHaveLength(rows.length);
    const gateway = rows.find((row) => row.name === "gateway")?.url ?? "";
    const answer = await fetch(`${gateway}/v1/stock/tea-1:adjust`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ delta: "3" }),
    });
    expect(await answer.json()).toMatchObject({ available: "3" });
  } finally {
    quartet.kill("SIGTERM");
    await once(quartet, "exit");
  }
});
