import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { openCluster, shopFolder } from "./open-cluster.ts";
import { pollUntil } from "./poll-until.ts";
import { send } from "./send-request.ts";
import { offerProduct, placeOrder } from "./shop-client.ts";

const folders: string[] = [];

afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

describe("edits", { timeout: 120_000 }, () => {
  test("an edited handler is served within five seconds, by restarts of what runs handlers alone", async () => {
    const project = join(shopFolder, `.e2e-tmp-${process.pid}`);
    folders.push(project);
    await copyShop(project);
    await using cluster = await openCluster({ project, watch: true });
    const sku = await offerProduct(cluster.door);
    const before = new Map((await cluster.table()).map(({ name, pid }) => [name, pid]));
    const packing = join(project, "src", "packing", "packing.ts");
    const source = await readFile(packing, "utf8");
    const began = Date.now();
    await writeFile(packing, source.replace('name: "S"', 'name: "TINY"'));
    await pollUntil("the new box", async () => {
      const answer = await send("POST", `${cluster.door}/v1/parcels:pack`, {
        json: { items: [{ sku, quantity: 1 }] },
      });
      return answer.json?.box === "TINY";
    });
    await pollUntil("new processes", async () => {
      const rows = await cluster.table();
      return ["crud", "micro", "nano", "lambda"].every(
        (name) =>
          rows.some((row) => row.name === name) &&
          rows.find((row) => row.name === name)?.pid !== before.get(name),
      );
    });
    expect(Date.now() - began).toBeLessThan(5_000);
    const order = await pollUntil("an order in the new box", async () => {
      const answer = await placeOrder(cluster.door, { sku });
      return answer.status === 200 && answer.json;
    });
    expect(order.box).toBe("TINY");
    const after = new Map((await cluster.table()).map(({ name, pid }) => [name, pid]));
    for (const name of ["relay", "gateway", "primary", "replica", "events"]) {
      expect(after.get(name), name).toBe(before.get(name));
    }
  });

  test("an edit that does not compile is told, and mended by the next one", async () => {
    const project = join(shopFolder, `.e2e-tmp-${process.pid}-broken`);
    folders.push(project);
    await copyShop(project);
    await using cluster = await openCluster({ project, watch: true, only: "crud" });
    const packing = join(project, "src", "packing", "packing.ts");
    const source = await readFile(packing, "utf8");
    await writeFile(packing, `${source}\nthis is no TypeScript`);
    await pollUntil(
      "the compiler's words",
      () => /packing\.ts/.test(cluster.logs()) && /Error/.test(cluster.logs()),
    );
    await writeFile(packing, source.replace('name: "S"', 'name: "MENDED"'));
    const json = { items: [{ sku: "a", quantity: 1 }] };
    await pollUntil("the mended handler", async () => {
      const answer = await send("POST", `${cluster.door}/v1/parcels:pack`, { json });
      return answer.json?.box === "MENDED";
    });
  });
});

/** The shop in another folder of the repository, where its packages resolve as they do here. */
async function copyShop(project: string): Promise<void> {
  const protos = fileURLToPath(new URL("../../../proto", import.meta.url));
  await mkdir(project, { recursive: true });
  await cp(join(shopFolder, "src"), join(project, "src"), { recursive: true });
  await cp(join(shopFolder, "quartet.config.ts"), join(project, "quartet.config.ts"));
  const manifest = { name: "edited-shop", private: true, type: "module", quartet: { protos } };
  await writeFile(join(project, "package.json"), JSON.stringify(manifest));
}
