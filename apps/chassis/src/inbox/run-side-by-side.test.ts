import type { PoolClient } from "pg";
import { expect, test } from "vitest";
import { type InboxEvent, toInboxEvent } from "./inbox-event.ts";
import { runSideBySide } from "./run-side-by-side.ts";
import { testEvent } from "./test-push.ts";

const noClient = {} as PoolClient; // what is run here asks no database
const eventOf = (id: string, key: string): InboxEvent => toInboxEvent(testEvent(id, {}, key), {});

test("keys run beside each other, events of one key one after the other", async () => {
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const run = runSideBySide(async (_tx, { id }) => {
    seen.push(`${id} begins`);
    if (id === "a1") await gate.promise;
    seen.push(`${id} ends`);
    if (id === "b2") gate.resolve();
  });
  await run(noClient, [eventOf("a1", "a"), eventOf("a2", "a"), eventOf("b1", "b"), eventOf("b2", "b")]);
  expect(seen).toEqual([
    ...["a1 begins", "b1 begins", "b1 ends", "b2 begins", "b2 ends"],
    ...["a1 ends", "a2 begins", "a2 ends"],
  ]);
});

test("a failure is told once all have ended, and stops the later events of its key alone", async () => {
  const ended: string[] = [];
  const run = runSideBySide(async (_tx, { id }) => {
    await Promise.resolve();
    if (id === "a1") throw new RangeError(id);
    await new Promise((resolve) => setImmediate(resolve));
    ended.push(id);
  });
  const events = [eventOf("b1", "b"), eventOf("a1", "a"), eventOf("a2", "a"), eventOf("c1", "c")];
  await expect(run(noClient, events)).rejects.toThrow(RangeError);
  expect(ended.sort()).toEqual(["b1", "c1"]);
});
