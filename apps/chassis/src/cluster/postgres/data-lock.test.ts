import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDataLock } from "./data-lock.ts";
import { openTestFolder } from "./test-folder.ts";

test("of many at once, one has the lock; when it is disposed, the next can", async () => {
  await using folder = await openTestFolder();
  for (let round = 0; round < 20; round++) {
    // The lock of a process that is gone, which all of them find at once.
    if (round % 2 === 1) await writeFile(join(folder.path, "lock"), `${process.pid} 1 stale\n`);
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => openDataLock(folder.path)));
    const held = results.filter((result) => result.status === "fulfilled");
    expect(held).toHaveLength(1);
    await held[0]?.value[Symbol.asyncDispose]();
  }
});

test("a lock that cannot be read as one is taken over", async () => {
  await using folder = await openTestFolder();
  await writeFile(join(folder.path, "lock"), "");
  await using lock = await openDataLock(folder.path);
  expect(lock).toBeDefined();
});
