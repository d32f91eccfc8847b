import { afterAll, beforeAll, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { createTestLogin, testDomain } from "../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  await createTestLogin(database, "quartet_relay", "relay");
});
afterAll(() => database[Symbol.asyncDispose]());

async function prune(keep: string, rows: number): Promise<unknown> {
  const [row] = await database.query("select quartet.prune_inbox($1, $2) as pruned", [keep, rows], "relay");
  return row?.["pruned"];
}

test("prune_inbox forgets the oldest effects, so many at a time, and none of the last day", async () => {
  await database.query(
    `insert into quartet.inbox (consumer, event_id, claimed_at)
select 'a', hours::text, now() - make_interval(hours => hours) from generate_series(1, 240) hours`,
  );
  expect(await prune("9 days", 10)).toBe(10);
  expect(await prune("9 days", 100)).toBe(15);
  expect(await prune("9 days", 100)).toBe(0);
  expect(await prune("1 second", 1_000)).toBe(240 - 25 - 23);
  const [left] = await database.query(
    "select count(*)::int, max(event_id::int) as oldest from quartet.inbox",
  );
  expect(left).toEqual({ count: 23, oldest: 23 });
});
