import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { createTestLogin, testDomain } from "../apply/test-domain.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { OperationRecordSchema } from "../gen/quartet/v1/operation_pb.ts";
import { tableOf } from "../schema/table/table.ts";
import type { ObservedRights } from "./find-class.ts";
import { type ClassDemands, requireClass } from "./require-class.ts";
import { readLoginRights } from "./rights.ts";
import type { ServiceClass } from "./service-class.ts";

let server: TestServer;
let main: TestDatabase;
let events: TestDatabase;
const tables = [...testDomain.tables, tableOf(OperationRecordSchema)];

beforeAll(async () => {
  server = await openTestServer();
  [main, events] = [await server.openDatabase(), await server.openDatabase()];
  await applySchema(testDomain, { databaseUrl: main.url(), eventsDatabaseUrl: events.url() });
});
afterAll(() => server[Symbol.asyncDispose]());

let count = 0;

/** A new login, of a group where one is named, with an unusual name. */
async function login(
  group?: "quartet_crud" | "quartet_micro" | "quartet_nano" | "quartet_relay",
): Promise<string> {
  const name = `App-${++count}`;
  await createTestLogin(main, group ?? "quartet_nano", name);
  if (group === undefined) await main.query(`revoke quartet_nano from "${name}"`);
  return name;
}

async function observe(
  user: string | undefined,
  ...databases: [TestDatabase, TestDatabase?]
): Promise<ObservedRights> {
  const rights = async (database?: TestDatabase) =>
    database === undefined ? undefined : await readLoginRights(database.openPool(user), tables);
  return { main: await rights(databases[0]), events: await rights(databases[1]) };
}

const strict: ClassDemands = { expected: undefined, allowSurplus: false };

function refusal(observed: ObservedRights, demands: ClassDemands = strict): QuartetError {
  try {
    requireClass(observed, demands);
  } catch (error) {
    if (error instanceof QuartetError && error.code === "failed_precondition") return error;
    throw error;
  }
  throw new Error("the login was taken");
}

/** Runs the SQL that an error says mends it, each statement where it applies. */
async function mend(error: QuartetError, database: TestDatabase = main): Promise<void> {
  const client = await database.connect();
  await client.query(error.fix ?? "");
}

describe("a real login of", () => {
  test.each<[ServiceClass, "quartet_crud" | "quartet_micro" | "quartet_nano", boolean]>([
    ["crud", "quartet_crud", false],
    ["micro", "quartet_micro", true],
    ["nano", "quartet_nano", false],
  ])("%s is found as such, exactly", async (serviceClass, group, withEvents) => {
    const observed = await observe(await login(group), main, withEvents ? events : undefined);
    expect(requireClass(observed, { ...strict, expected: serviceClass })).toMatchObject({
      serviceClass,
      surplus: [],
    });
  });

  test("micro is found where one database is main and events", async () => {
    const both = await server.openDatabase();
    await applySchema(testDomain, { databaseUrl: both.url(), eventsDatabaseUrl: both.url() });
    const observed = await observe(await login("quartet_micro"), both, both);
    expect(requireClass(observed, strict)).toMatchObject({ serviceClass: "micro", surplus: [] });
  });

  test("no database is lambda", () => {
    expect(requireClass({ main: undefined, events: undefined }, strict).serviceClass).toBe("lambda");
  });
});

describe("a login that lacks", () => {
  test("everything is refused with the grants of a nano, which make it one", async () => {
    const user = await login();
    const error = refusal(await observe(user, main));
    expect(error.message).toContain("fits no class");
    expect(error.message).toContain(`${user} may not select on test.counters`);
    expect(error.message).toContain(`${user} may not use schema test`);
    await mend(error);
    expect(requireClass(await observe(user, main), strict)).toMatchObject({
      serviceClass: "nano",
      surplus: [],
    });
    expect(await main.query("select from test.counters", [], user)).toEqual([]);
  });

  test("one right of crud is refused with that one, which makes it a crud", async () => {
    const user = await login();
    const grants = (names: string) => `grant select, insert, update, delete on ${names} to "${user}"`;
    await main.query(`grant usage on schema test, quartet to "${user}"`);
    await main.query(grants(tables.map((table) => table.sqlName).join(", ")));
    await main.query(`grant insert on quartet.outbox, quartet.inbox to "${user}"`);
    await main.query(`revoke delete on test.pairs from "${user}"`);
    const error = refusal(await observe(user, main));
    expect(error.message).toBe(
      `This login fits no class. For crud it lacks:\n  ${user} may not delete on test.pairs in ${main.name}`,
    );
    await mend(error);
    expect(requireClass(await observe(user, main), strict)).toMatchObject({
      serviceClass: "crud",
      surplus: [],
    });
  });

  test("the events database's outbox is refused with the grants of a micro, which make it one", async () => {
    const user = await login("quartet_nano");
    const error = refusal(await observe(user, main, events));
    expect(error.message).toContain(`may not insert on quartet.outbox in ${events.name}`);
    await mend(error, events);
    expect(requireClass(await observe(user, main, events), strict)).toMatchObject({
      serviceClass: "micro",
      surplus: [],
    });
  });

  test("tables that nobody made is sent to quartet apply", async () => {
    const empty = await server.openDatabase();
    const error = refusal(await observe(await login("quartet_nano"), empty));
    expect(error.message).toContain(`there is no test.counters in ${empty.name}`);
    expect(error.fix).toContain("quartet apply");
  });
});

describe("a login that may too much", () => {
  test("is refused as a superuser, and taken when that is allowed", async () => {
    const observed = await observe(undefined, main);
    const error = refusal(observed);
    expect(error.message).toContain("postgres is superuser");
    expect(error.fix).toContain('alter role "postgres" nosuperuser;');
    expect(error.fix).toContain("QUARTET_ALLOW_SURPLUS=1");
    expect(requireClass(observed, { ...strict, allowSurplus: true }).serviceClass).toBe("crud");
  });

  test.each([
    ["may insert", (user: string) => `grant insert on test.counters to "${user}"`],
    ["may truncate", (user: string) => `grant truncate on test.counters to "${user}"`],
    ["may append to the outbox", (user: string) => `grant insert on quartet.outbox to "${user}"`],
    ["may create databases", (user: string) => `alter role "${user}" createdb`],
    ["may replicate", (user: string) => `alter role "${user}" replication`],
    ["may create tables", (user: string) => `grant create on schema test to "${user}"`],
  ])("is refused as a nano that %s, with SQL that mends it", async (_, grant) => {
    const user = await login("quartet_nano");
    await main.query(grant(user));
    const observed = await observe(user, main);
    expect(requireClass(observed, { ...strict, allowSurplus: true }).serviceClass).toBe("nano");
    await mend(refusal(observed));
    expect(requireClass(await observe(user, main), strict)).toMatchObject({
      serviceClass: "nano",
      surplus: [],
    });
  });

  test("through the group of the relay is refused, with SQL that takes it out", async () => {
    const user = await login("quartet_nano");
    await main.query(`grant quartet_relay to "${user}"`);
    const error = refusal(await observe(user, main));
    expect(error.fix).toContain(`revoke "quartet_relay" from "${user}";`);
    await mend(error);
    expect(requireClass(await observe(user, main), strict).surplus).toEqual([]);
  });
});

describe("QUARTET_EXPECT_CLASS", () => {
  test("of a lower class than found says why it is another", async () => {
    const error = refusal(await observe(await login("quartet_crud"), main), { ...strict, expected: "nano" });
    expect(error.message).toMatch(/^QUARTET_EXPECT_CLASS is nano, but this process is a crud: /);
    expect(error.fix).toContain("quartet_nano");
  });

  test("of a higher class than found names the grants it lacks, which make it that", async () => {
    const user = await login("quartet_nano");
    const expected = { ...strict, expected: "crud" } as const;
    const error = refusal(await observe(user, main), expected);
    expect(error.message).toContain("QUARTET_EXPECT_CLASS is crud, but this process is a nano");
    expect(error.message).toContain(`${user} may not update on test.counters`);
    await mend(error);
    expect(requireClass(await observe(user, main), expected).serviceClass).toBe("crud");
  });

  test("of a micro without an events database says so", async () => {
    const error = refusal(await observe(await login("quartet_micro"), main), {
      ...strict,
      expected: "micro",
    });
    expect(error.message).toContain("there is no EVENTS_DATABASE_URL");
  });

  test("of a lambda with a database says to unset it", async () => {
    const error = refusal(await observe(await login("quartet_nano"), main), {
      ...strict,
      expected: "lambda",
    });
    expect(error.fix).toContain("Unset DATABASE_URL");
  });

  test("of any class without a database says there is none", () => {
    expect(
      refusal({ main: undefined, events: undefined }, { ...strict, expected: "nano" }).message,
    ).toContain("there is no DATABASE_URL");
  });
});
