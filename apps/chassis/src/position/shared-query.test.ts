import { expect, test } from "vitest";
import { SharedQuery } from "./shared-query.ts";

/** A query that ends when it is told to. */
function openSlowQuery() {
  const runs: PromiseWithResolvers<number>[] = [];
  const shared = new SharedQuery(() => {
    const run = Promise.withResolvers<number>();
    runs.push(run);
    return run.promise;
  });
  return { runs, shared };
}

test("who asks while a run is under way gets the next one, which they share", async () => {
  const { runs, shared } = openSlowQuery();
  const first = shared.ask();
  const later = [shared.ask(), shared.ask(), shared.ask()];
  expect(runs).toHaveLength(1);
  runs[0]?.resolve(1);
  expect(await first).toBe(1);
  expect(runs).toHaveLength(2);
  const last = shared.ask();
  runs[1]?.resolve(2);
  expect(await Promise.all(later)).toEqual([2, 2, 2]);
  expect(runs).toHaveLength(3);
  runs[2]?.resolve(3);
  expect(await last).toBe(3);
});

test("a run that fails fails for those who asked for it, and not for the next", async () => {
  const { runs, shared } = openSlowQuery();
  const first = shared.ask();
  const next = shared.ask();
  runs[0]?.reject(new Error("lost"));
  await expect(first).rejects.toThrow("lost");
  runs[1]?.resolve(2);
  expect(await next).toBe(2);
  const other = shared.ask();
  runs[2]?.resolve(3);
  expect(await other).toBe(3);
});
