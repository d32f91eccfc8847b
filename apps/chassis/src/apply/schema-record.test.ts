import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { judgeSchema } from "../gate/judge-schema.ts";
import { encodeSchemaImage } from "../schema/encode-schema-image.ts";
import { applySchema, planDatabases, type SchemaJudge } from "./apply-schema.ts";
import { lonelyDomain, testDomain } from "./test-domain.ts";

let server: TestServer;
let main: TestDatabase;
let events: TestDatabase;

beforeAll(async () => {
  server = await openTestServer();
});
beforeEach(async () => {
  [main, events] = [await server.openDatabase(), await server.openDatabase()];
});
afterAll(() => server[Symbol.asyncDispose]());

const target = () => ({ databaseUrl: main.url(), eventsDatabaseUrl: events.url() });
const first = lonelyDomain({ a: "string" });
const second = lonelyDomain({ a: "string", b: "string" });

async function recorded(database: TestDatabase): Promise<Buffer[]> {
  const rows = await database.query<{ image: Buffer }>("select image from quartet.schema_image order by id");
  return rows.map(({ image }) => image);
}

test("an image is the same bytes each time, and every file follows those it imports", () => {
  const image = encodeSchemaImage(testDomain.registry);
  expect(Buffer.from(encodeSchemaImage(testDomain.registry)).equals(image)).toBe(true);
  const seen = new Set<string>();
  for (const file of fromBinary(FileDescriptorSetSchema, image).file) {
    expect(file.dependency.filter((name) => !seen.has(name))).toEqual([]);
    seen.add(file.name);
  }
  expect([...seen]).toEqual(expect.arrayContaining(["test/v1/test.proto", "quartet/v1/options.proto"]));
});

test("every schema that is applied is recorded in both databases, once and in order", async () => {
  for (const domain of [first, second, second]) await applySchema(domain, target());
  const images = [first, second].map(({ registry }) => Buffer.from(encodeSchemaImage(registry)));
  expect(await recorded(main)).toEqual(images);
  expect(await recorded(events)).toEqual(images);
});

test("the judge gets what is recorded, and is not asked about the very same schema", async () => {
  const asked: number[] = [];
  const judge: SchemaJudge = async (images) => {
    asked.push(images.length);
    return "newer";
  };
  for (const domain of [first, first, second]) await applySchema(domain, target(), { judge });
  expect(asked).toEqual([0, 0, 1, 1]);
});

test("a schema that breaks the recorded one changes nothing, nor gets a plan", async () => {
  await applySchema(first, target());
  const judge: SchemaJudge = async () => {
    throw new QuartetError("failed_precondition", "lonely.proto: a field is gone");
  };
  for (const refuse of [applySchema, planDatabases]) {
    await expect(refuse(second, target(), { judge })).rejects.toThrow("a field is gone");
  }
  expect(await recorded(main)).toHaveLength(1);
  expect(await main.query("select from pg_attribute where attname = 'b' and attnum > 0")).toEqual([]);
});

test("a build that a later one went beyond has nothing to do", async () => {
  await applySchema(second, target());
  const plans = await applySchema(first, target(), { judge: async () => "older" });
  expect(plans.map(({ verdict, steps, drift }) => [verdict, steps, drift])).toEqual([
    ["older", [], []],
    ["older", [], []],
  ]);
  expect(await recorded(main)).toHaveLength(1);
});

test("a plan changes nothing, in an empty database nor in one of the build before", async () => {
  const plan = await planDatabases(first, target());
  expect(plan.map(({ steps }) => steps[0]?.what)).toEqual(["schema quartet", "schema quartet"]);
  expect(await main.query("select from pg_namespace where nspname in ('quartet', 'lonely')")).toEqual([]);
  await applySchema(first, target());
  const [later] = await planDatabases(second, target());
  expect(later?.steps.map(({ what }) => what)).toContain("column b of lonely.things");
  expect(await main.query("select from pg_attribute where attname = 'b' and attnum > 0")).toEqual([]);
});

test("the gate lets a field be added, knows the build before as older, and refuses a field that was renamed", async () => {
  const verdicts = async (domain: typeof first) =>
    (await applySchema(domain, target(), { judge: judgeSchema })).map(({ verdict }) => verdict);
  expect(await verdicts(first)).toEqual(["newer", "newer"]);
  expect(await verdicts(second)).toEqual(["newer", "newer"]);
  expect(await verdicts(first)).toEqual(["older", "older"]);
  const renamed = lonelyDomain({ a: "string", c: "string" });
  await expect(verdicts(renamed)).rejects.toMatchObject({ code: "failed_precondition" });
  expect(await recorded(main)).toHaveLength(2);
  expect(await main.query("select from pg_attribute where attname = 'c' and attnum > 0")).toEqual([]);
});
