import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { claimEvent } from "./claim-event.ts";
import { inboxSql } from "./inbox-ddl.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  for (const sql of ["create schema quartet", ...inboxSql, ...inboxSql]) await database.query(sql);
  await database.query("create role claimer login password 'of a test, it''s'");
  await database.query("grant usage on schema quartet to claimer");
  await database.query("grant insert on quartet.inbox to claimer");
});
afterAll(() => database[Symbol.asyncDispose]());

/** Waits until a session waits for another's lock. */
async function someoneWaits(): Promise<boolean> {
  const waits = async () =>
    (
      await database.query("select from pg_stat_activity where wait_event_type = 'Lock' and datname = $1", [
        database.name,
      ])
    ).length > 0
      ? true
      : undefined;
  return (await pollUntil(waits, { timeoutMs: 5_000, intervalMs: 5 })) ?? false;
}

describe("claimEvent", () => {
  test("is true once per consumer and event", async () => {
    expect(await claimEvent(database.pool, "a", "event")).toBe(true);
    expect(await claimEvent(database.pool, "a", "event")).toBe(false);
    expect(await claimEvent(database.pool, "b", "event")).toBe(true);
    expect(await claimEvent(database.pool, "a", "other")).toBe(true);
  });

  test.each([
    ["commit", false],
    ["rollback", true],
  ])("of two at once the second waits, and after a %s gets %s", async (ending, expected) => {
    const [first, second] = [await database.connect(), await database.connect()];
    await first.query("begin");
    await second.query("begin");
    expect(await claimEvent(first, "raced", ending)).toBe(true);
    let settled = false;
    const waiting = claimEvent(second, "raced", ending).finally(() => {
      settled = true;
    });
    expect(await someoneWaits()).toBe(true);
    expect(settled).toBe(false);
    await first.query(ending);
    expect(await waiting).toBe(expected);
    await second.query("commit");
    expect(await claimEvent(database.pool, "raced", ending)).toBe(false);
  });

  test("needs INSERT alone", async () => {
    const pool = database.openPool("claimer");
    expect(await claimEvent(pool, "c", "event")).toBe(true);
    expect(await claimEvent(pool, "c", "event")).toBe(false);
    await expect(pool.query("select from quartet.inbox")).rejects.toMatchObject({ code: "42501" });
    await expect(pool.query("delete from quartet.inbox")).rejects.toMatchObject({ code: "42501" });
  });
});
