import { afterAll, beforeAll } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../../cluster/postgres/test-database.ts";
import { leaseSql } from "../lease/lease-ddl.ts";
import { logSql } from "./log-ddl.ts";
import { openPostgresLog } from "./postgres-log.ts";
import { describeEventLog } from "./test-event-log-contract.ts";

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function openLogDatabase(): Promise<TestDatabase> {
  const database = await server.openDatabase();
  await database.query("create schema quartet");
  for (const sql of [...logSql, ...leaseSql]) await database.query(sql);
  // Two relay processes live, now and for as long as the test may take.
  await database.query(
    "insert into quartet.relay_process (process, seen_at) values ('a', now() + interval '1 hour'), ('b', now() + interval '1 hour')",
  );
  return database;
}

describeEventLog("PostgreSQL", async () => {
  const database = await openLogDatabase();
  const log = openPostgresLog({
    pool: database.openPool(undefined, { applicationName: "first log" }),
    url: database.url(),
  });
  const other = openPostgresLog({ pool: database.openPool(), url: database.url() });
  return {
    log,
    other,
    breakConnections: async () => {
      await database.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'first log'",
      );
    },
    [Symbol.asyncDispose]: async () => {
      await log[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
});
