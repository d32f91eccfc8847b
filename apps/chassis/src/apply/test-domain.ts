import { createRegistry } from "@bufbuild/protobuf";
import type { TestDatabase } from "../cluster/postgres/test-database.ts";
import { testPassword } from "../cluster/postgres/test-database.ts";
import { lonelyMessage, testRegistry } from "../schema/test-schema.ts";
import { type Domain, defineDomain } from "../service/domain.ts";
import { createLoginSql, type groupRoles } from "./roles-ddl.ts";

/** A domain of the test schema's tables, without methods. */
export const testDomain: Domain = defineDomain({
  name: "test",
  schema: testRegistry,
  services: [],
  writes: [],
});

/** A domain of one table, `lonely.things` with the key `id`, as one build or another has it. */
export function lonelyDomain(
  fields: Readonly<Record<string, string>>,
  index: { field: string[]; unique?: boolean }[] = [],
): Domain {
  const message = lonelyMessage({ name: "lonely.things", key: ["id"], index }, { id: "string", ...fields });
  return defineDomain({ name: "lonely", schema: createRegistry(message), services: [], writes: [] });
}

/** Creates a login of a group for the tests' password, and gives its name. */
export async function createTestLogin(
  database: TestDatabase,
  role: (typeof groupRoles)[number],
  login: string,
): Promise<string> {
  const client = await database.connect();
  await client.query(createLoginSql(login, testPassword, role));
  return login;
}
