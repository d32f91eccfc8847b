import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, type TestServer, testPassword } from "../cluster/postgres/test-database.ts";
import { quoteLiteral } from "../schema/identifier.ts";
import { applySchema, planDatabases } from "./apply-schema.ts";
import { lonelyDomain } from "./test-domain.ts";

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer("full");
});
afterAll(() => server[Symbol.asyncDispose]());

const domain = lonelyDomain({ a: "string" });

/** What both an apply and its plan say. */
async function refusalOf(url: string): Promise<unknown> {
  const target = { databaseUrl: url, eventsDatabaseUrl: url };
  const said = [applySchema, planDatabases].map((run) =>
    run(domain, target).catch((error: unknown) => error),
  );
  const [applied, planned] = await Promise.all(said);
  expect(planned).toEqual(applied);
  return applied;
}

test("a replica is refused, with what it is", async () => {
  expect(await refusalOf(server.postgres.replica?.url("postgres") ?? "")).toMatchObject({
    code: "failed_precondition",
    message: "The server of database postgres is a replica.",
    fix: "Give the URL of its primary.",
  });
});

test("a login whose transactions are read only is refused, with what mends it", async () => {
  const database = await server.openDatabase();
  await database.query(`create role reads login superuser password ${quoteLiteral(testPassword)}`);
  await database.query("alter role reads set default_transaction_read_only = on");
  expect(await refusalOf(database.url("reads"))).toMatchObject({
    code: "failed_precondition",
    fix: 'alter role "reads" reset default_transaction_read_only;',
  });
});

test("a login that owns no database and may make nothing temporary is refused, with what mends it", async () => {
  const database = await server.openDatabase();
  await database.query(`create role stranger login password ${quoteLiteral(testPassword)}`);
  await database.query(`revoke temporary on database ${database.name} from public`);
  expect(await refusalOf(database.url("stranger"))).toMatchObject({
    code: "failed_precondition",
    fix: `grant temporary on database "${database.name}" to "stranger";`,
  });
});
