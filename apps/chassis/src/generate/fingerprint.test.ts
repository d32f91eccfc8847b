import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { openTestFolder } from "../cluster/postgres/test-folder.ts";
import { fingerprintSources } from "./fingerprint.ts";

test.each([
  ["a proto", "stage/shop/v1/orders.proto", true],
  ["the plugin", "chassis/src/generate/protoc-gen-quartet.ts", true],
  ["what prints types", "chassis/src/generate/print-tables.ts", true],
  ["what reads tables", "chassis/src/schema/table-columns.ts", true],
  ["the chassis' version", "chassis/package.json", true],
  ["a test", "chassis/src/schema/table.test.ts", false],
  ["what tests use", "chassis/src/generate/test-faulty-proto.ts", false],
  ["what serves requests", "chassis/src/edge/listen.ts", false],
])("a change of %s changes the fingerprint: %#", async (_, path, changes) => {
  await using folder = await openTestFolder();
  const write = async (name: string, text: string) => {
    await mkdir(dirname(join(folder.path, name)), { recursive: true });
    await writeFile(join(folder.path, name), text);
  };
  const root = join(folder.path, "chassis");
  const plugin = join(root, "src/generate/protoc-gen-quartet.ts");
  const layout = { root, source: true, protoRoots: [], plugin };
  for (const name of ["chassis/package.json", "chassis/src/generate/protoc-gen-quartet.ts", path]) {
    await write(name, "before");
  }
  const read = () => fingerprintSources(join(folder.path, "stage"), layout);
  const before = await read();
  expect(await read()).toBe(before);
  await write(path, "after");
  expect((await read()) !== before).toBe(changes);
});
