import { afterAll, beforeAll, expect, test } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { createTestLogin, testDomain } from "../../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  await createTestLogin(database, "quartet_relay", "relay");
});
afterAll(() => database[Symbol.asyncDispose]());

/** Runs that last moved so many hours ago, named by state and hours; those that have ended ended then. */
async function insertRuns(status: string, hours: readonly number[]): Promise<void> {
  for (const age of hours) {
    const time = new Date(Date.now() - age * 3_600_000).toISOString();
    const ended = status === "COMPLETED" || status === "COMPENSATED" ? { endTime: time } : {};
    const pb = { saga: "trip", instanceKey: `${status} ${age}`, status: `SAGA_STATUS_${status}` };
    await database.query("insert into quartet.saga (pb) values ($1)", [
      JSON.stringify({ ...pb, ...ended, startTime: time, updateTime: time }),
    ]);
  }
}

async function prune(keep: string, rows: number): Promise<unknown> {
  const [row] = await database.query("select quartet.prune_sagas($1, $2) as pruned", [keep, rows], "relay");
  return row?.["pruned"];
}

async function left(): Promise<unknown> {
  const rows = await database.query("select instance_key as key from quartet.saga order by update_time");
  return rows.map(({ key }) => key);
}

test("prune_sagas forgets runs that ended, the oldest first, so many at a time, and none of the last day", async () => {
  await insertRuns("COMPLETED", [400, 200, 30, 20]);
  await insertRuns("COMPENSATED", [500, 300, 25, 23]);
  expect(await prune("7 days", 3)).toBe(3);
  expect(await left()).toEqual([
    "COMPLETED 200",
    "COMPLETED 30",
    "COMPENSATED 25",
    "COMPENSATED 23",
    "COMPLETED 20",
  ]);
  expect(await prune("7 days", 3)).toBe(1);
  expect(await prune("1 second", 100)).toBe(2);
  expect(await left()).toEqual(["COMPENSATED 23", "COMPLETED 20"]);
  await database.query("truncate quartet.saga");
});

test("prune_sagas leaves what is open, waits for somebody, or is in a state that only a newer build knows", async () => {
  for (const status of ["RUNNING", "COMPENSATING", "STUCK", "UNSPECIFIED", "PAUSED"])
    await insertRuns(status, [900]);
  expect(await prune("7 days", 100)).toBe(0);
  expect(await left()).toHaveLength(5);
  await database.query("truncate quartet.saga");
});

test("prune_sagas leaves a run that news of a step opens again meanwhile, and does not wait for it", async () => {
  await insertRuns("COMPENSATED", [800, 700]);
  const pool = database.openPool();
  await using stack = new AsyncDisposableStack();
  const client = await pool.connect();
  stack.defer(() => client.release());
  await client.query("begin");
  await client.query(
    `update quartet.saga set pb = pb - 'endTime' || '{"status": "SAGA_STATUS_COMPENSATING"}'
where instance_key = 'COMPENSATED 800'`,
  );
  expect(await prune("7 days", 1)).toBe(1);
  await client.query("commit");
  expect(await prune("7 days", 1)).toBe(0);
  expect(await left()).toEqual(["COMPENSATED 800"]);
});
