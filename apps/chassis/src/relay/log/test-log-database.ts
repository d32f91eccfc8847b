import { applySchema } from "../../apply/apply-schema.ts";
import { createTestLogin, testDomain } from "../../apply/test-domain.ts";
import type { TestDatabase, TestServer } from "../../cluster/postgres/test-database.ts";

/** A database that is main and events at once as `quartet apply` makes it, with a login `relay`. */
export async function openAppliedDatabase(server: TestServer): Promise<TestDatabase> {
  const database = await server.openDatabase();
  await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  await createTestLogin(database, "quartet_relay", "relay");
  return database;
}
