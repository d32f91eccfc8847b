import { afterAll, beforeAll, expect, test } from "vitest";
import { queryServer } from "../cluster/postgres/query-server.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import type { Domain } from "../service/domain.ts";
import { type ApplyOptions, applySchema, planDatabases } from "./apply-schema.ts";
import { ruledDomain } from "./test-domain.ts";
import { snapshotCatalog } from "./test-snapshot.ts";

let server: TestServer;
/** What tests begin with, to be copied: applying to each anew would cost half of their time. */
let beginnings: { readonly empty: string; readonly applied: string };

beforeAll(async () => {
  server = await openTestServer();
  const applied = await server.openDatabase();
  await apply(ruledDomain("first"), applied); // makes the roles too, which databases share
  await applied[Symbol.asyncDispose]();
  beginnings = { empty: "template1", applied: applied.name };
});
afterAll(() => server[Symbol.asyncDispose]());

const targetOf = (database: TestDatabase) => ({
  databaseUrl: database.url(),
  eventsDatabaseUrl: database.url(),
});
const apply = (domain: Domain, database: TestDatabase, options: ApplyOptions = {}) =>
  applySchema(domain, targetOf(database), options);

/** Runs `work` in a database that is dropped with it: there are many. */
async function withDatabase<T>(
  beginning: keyof typeof beginnings,
  work: (database: TestDatabase) => Promise<T>,
): Promise<T> {
  const database = await server.openDatabase(beginnings[beginning]);
  try {
    return await work(database);
  } finally {
    await database[Symbol.asyncDispose]();
    const url = server.postgres.primary.url("postgres");
    await queryServer(url, `drop database ${database.name} with (force)`);
  }
}

/** Applies step by step: every apply gives up before its second step. Gives the number of applies. */
async function applyByStep(domain: Domain, database: TestDatabase): Promise<number> {
  for (let applies = 1; ; applies++) {
    let seen = 0;
    const onStep = () => {
      if (seen++ === 1) throw new Error("stopped");
    };
    const done = await apply(domain, database, { onStep }).then(
      () => true,
      (error: Error) => {
        expect(error.message).toBe("stopped");
        return false;
      },
    );
    if (done) return applies;
  }
}

/** Applies, and has the server end the session while the step of a number begins: before, in or after its statement. */
async function killAt(count: number, domain: Domain, database: TestDatabase): Promise<void> {
  let seen = 0;
  let killing: Promise<unknown> | undefined;
  const killer = await database.connect();
  const onStep = () => {
    if (seen++ === count) {
      killing = killer.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'quartet apply' and datname = $1",
        [database.name],
      );
    }
  };
  await apply(domain, database, { onStep }).catch((error: { code?: string }) => {
    expect(error.code).toBe("unavailable");
  });
  await killing;
  expect(killing).toBeDefined();
}

async function countSteps(domain: Domain, database: TestDatabase): Promise<number> {
  const plans = await planDatabases(domain, targetOf(database));
  return plans.reduce((sum, plan) => sum + plan.steps.length, 0);
}

/** In an empty database the platform makes some dozen tables, a step each and all alike: there, every third is enough. */
const cases = [
  { title: "an empty database", before: "empty", stride: 3 },
  { title: "a database of the build before", before: "applied", stride: 1 },
] as const;
const next = ruledDomain("later");

for (const { title, before, stride } of cases) {
  const applied = () =>
    withDatabase(before, async (database) => {
      const steps = await countSteps(next, database);
      await apply(next, database);
      return { steps, snapshot: await snapshotCatalog(database) };
    });

  test(`applies to ${title} that stop after every step end where one apply does`, async () => {
    const whole = await applied();
    await withDatabase(before, async (database) => {
      expect(await applyByStep(next, database)).toBe(whole.steps);
      expect(await snapshotCatalog(database)).toBe(whole.snapshot);
    });
  });

  test(`an apply to ${title} that is killed at a step ends right when run again`, {
    timeout: 240_000,
  }, async () => {
    const whole = await applied();
    expect(whole.steps).toBeGreaterThan(5);
    for (let count = 0; count < whole.steps; count += stride) {
      await withDatabase(before, async (database) => {
        await killAt(count, next, database);
        await apply(next, database);
        expect(await snapshotCatalog(database), `killed at ${count}`).toBe(whole.snapshot);
        expect(await countSteps(next, database)).toBe(0);
      });
    }
  });
}
