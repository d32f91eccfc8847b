import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { encodeTextArray, encodeTimeArray, encodeUuidArray } from "./binary-array.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

async function readBack(type: string, array: Buffer): Promise<unknown> {
  const result = await database.pool.query(`select to_json($1::${type}[]) as found`, [array]);
  return result.rows[0]?.found;
}

test("any texts come to the server as they are", async () => {
  const text = fc.string({ unit: "binary" }).map((value) => value.replaceAll("\0", ""));
  const texts = fc.array(fc.option(text, { nil: undefined }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(texts, async (values) => {
      expect(await readBack("text", encodeTextArray(values))).toEqual(values.map((value) => value ?? null));
    }),
  );
});

test("any times come to the server to the millisecond", async () => {
  const time = fc.date({ min: new Date("1900-01-01"), max: new Date("2200-01-01"), noInvalidDate: true });
  const times = fc.array(fc.option(time, { nil: undefined }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(times, async (values) => {
      const result = await database.pool.query("select $1::timestamptz[] as found", [
        encodeTimeArray(values),
      ]);
      expect(result.rows[0]?.found).toEqual(values.map((value) => value ?? null));
    }),
  );
});

test("any UUIDs come to the server as they are, and what is none is refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uuid(), { minLength: 1 }), async (values) => {
      expect(await readBack("uuid", encodeUuidArray(values))).toEqual(values);
    }),
  );
  for (const value of ["", "x", "0197a000-0000-7000-8000-00000000000g"]) {
    expect(() => encodeUuidArray([value])).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  }
});
