import { create, type JsonObject } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { encodeJson } from "../../schema/json/json.ts";
import { tableOf } from "../../schema/table/table.ts";
import { arbitraryMessage } from "../../schema/test-arbitrary.ts";
import {
  EverythingSchema,
  KeyedSchema,
  type LooseMessage,
  PairSchema,
  testRegistry,
} from "../../schema/test-schema.ts";
import { expectedColumns } from "../test-columns.ts";
import { LooseWriter, storedRow } from "../test-table.ts";
import { createViews, faultOf } from "./test-view.ts";
import { zeroJson } from "./view-value.ts";

let database: TestDatabase;
let rows: LooseWriter;

beforeAll(async () => {
  database = await openTestDatabase();
  await createViews(database, [EverythingSchema]);
  rows = new LooseWriter(EverythingSchema, database.pool);
});
afterAll(() => database[Symbol.asyncDispose]());

const names = tableOf(EverythingSchema).columns.map(({ name }) => `"${name}"`);
const others = names.filter((name) => name !== '"id"').join(", ");

/** Copies a row of the view to another key, column by column. */
async function copy(from: string, to: string): Promise<void> {
  await database.query(
    `insert into test.everything_view (id, ${others}) select $2, ${others} from test.everything_view where id = $1`,
    [from, to],
  );
}

/** Gives a row all columns of another one. */
async function overwrite(from: string, to: string): Promise<void> {
  const set = names.filter((name) => name !== '"id"').map((name) => `${name} = source.${name}`);
  await database.query(
    `update test.everything_view v set ${set.join(", ")} from test.everything_view source
     where source.id = $1 and v.id = $2`,
    [from, to],
  );
}

let count = 0;

async function store(message: LooseMessage): Promise<string> {
  const id = `row ${++count}`;
  await rows.insert({ ...message, id });
  return id;
}

/** The stored message, without its key and what columns cannot show. */
async function readRow(id: string): Promise<JsonObject> {
  const message = await rows.get(id);
  if (message === undefined) throw new Error(`no row ${id}`);
  const json = encodeJson(
    EverythingSchema,
    { ...message, id: "" } as LooseMessage,
    testRegistry,
  ) as JsonObject;
  for (const name of ["wTimestamp", "wDuration"])
    if (json[name] !== undefined) json[name] = cut(String(json[name]));
  return json;
}

/** Cuts the fraction of an instant or a duration to microseconds. */
function cut(text: string): string {
  const [, whole = "", fraction = "", unit = ""] = /^(.*?)(?:\.(\d+))?([Zs])$/.exec(text) ?? [];
  const micros = fraction
    .padEnd(9, "0")
    .slice(0, 6)
    .replace(/^(0{6}|(\d{3})0{3})$/, "$2");
  return `${whole}${micros && "."}${micros}${unit}`.replace(/^-0s$/, "0s");
}

describe("any message", () => {
  test("reads in the view as in the table", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryMessage(EverythingSchema), async (message) => {
        const id = await store(message);
        const read = await database.pool.query("select * from test.everything_view where id = $1", [id]);
        expect(read.rows[0]).toEqual({
          ...expectedColumns(tableOf(EverythingSchema), { ...message, id } as LooseMessage, testRegistry),
          version: 1n,
        });
      }),
      { numRuns: 60 },
    );
  });

  test("is the same after its columns were copied through the view to a new row and into another row", async () => {
    const pair = fc.tuple(arbitraryMessage(EverythingSchema), arbitraryMessage(EverythingSchema));
    await fc.assert(
      fc.asyncProperty(pair, async ([message, other]) => {
        const from = await store(message);
        const to = await store(other);
        const expected = await readRow(from);
        await copy(from, `${from}, copied`);
        expect(await readRow(`${from}, copied`)).toEqual(expected);
        await overwrite(from, to);
        expect(await readRow(to)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  test.each([EverythingSchema, PairSchema, KeyedSchema])(
    "that nobody filled is stored as the writer does: %s",
    (message) => {
      const zeros = message.fields
        .map((field) => [field.jsonName, zeroJson(field)])
        .filter(([, zero]) => zero !== undefined);
      expect(Object.fromEntries(zeros)).toEqual(encodeJson(message, create(message), testRegistry));
    },
  );
});

/** What the JSON has after a column was set. */
async function write(column: string, value: string): Promise<unknown> {
  const id = `row ${++count}`;
  await database.query(`insert into test.everything_view (id, "${column}") values ($1, ${value})`, [id]);
  const inserted = (await storedRow(database, EverythingSchema, id))?.pb;
  await database.query("insert into test.everything_view (id) values ($1)", [`${id} too`]);
  await database.query(`update test.everything_view set "${column}" = ${value} where id = $1`, [`${id} too`]);
  const updated = (await storedRow(database, EverythingSchema, `${id} too`))?.pb;
  expect({ ...updated, id }).toEqual(inserted);
  const field = EverythingSchema.fields.find(({ name }) => name === column);
  return inserted?.[field?.jsonName ?? ""];
}

describe("a value becomes canonical ProtoJSON", () => {
  test.each([
    ["w_timestamp", "'2024-05-06 07:08:09+02'", "2024-05-06T05:08:09Z"],
    ["w_timestamp", "'2024-05-06 07:08:09.12Z'", "2024-05-06T07:08:09.120Z"],
    ["w_timestamp", "'2024-05-06 07:08:09.000001Z'", "2024-05-06T07:08:09.000001Z"],
    ["w_timestamp", "'0001-01-01 00:00:00Z'", "0001-01-01T00:00:00Z"],
    ["w_timestamp", "'9999-12-31 23:59:59.999999Z'", "9999-12-31T23:59:59.999999Z"],
    ["w_duration", "'1 day 00:00:01.5'", "86401.500s"],
    ["w_duration", "'-00:00:00.000001'", "-0.000001s"],
    ["w_duration", "'87660000:00:00'", "315576000000s"],
    ["w_duration", "'1000 seconds'", "1000s"],
    ["f_float", "0.1", 0.10000000149011612],
    ["f_float", "3.4028235e38", 3.4028234663852886e38],
    ["w_floatvalue", "0.1", 0.10000000149011612],
    ["w_floatvalue", "'-Infinity'", "-Infinity"],
    ["f_double", "'NaN'", "NaN"],
    ["f_double", "5e-324", 5e-324],
    ["f_int64", "-9223372036854775808", "-9223372036854775808"],
    ["f_uint64", "18446744073709551615", "18446744073709551615"],
    ["w_uint32value", "4294967295", 4294967295],
    ["f_bytes", "'\\x00ff'", "AP8="],
    ["w_bytesvalue", `decode(repeat('00', 60), 'hex')`, "A".repeat(80)],
    ["status", "'STATUS_OPEN'", "STATUS_OPEN"],
    ["status", "'1'", "STATUS_OPEN"],
    ["status", "'77'", 77],
    ["maybe_status", "'-5'", -5],
    ["w_fieldmask", "'a,bC'", "a,bC"],
    ["w_boolvalue", "false", false],
    ["o_string", "''", ""],
    ["line", `'{"sku": "s"}'`, { sku: "s" }],
    ["line", "'null'", undefined],
    ["tags", "'null'", []],
    ["extra", `'{"a": null}'`, { a: null }],
    ["any", "'{}'", {}],
    ["statuses", `'["STATUS_OPEN", "STATUS_OF_TOMORROW", 77]'`, ["STATUS_OPEN", "STATUS_OF_TOMORROW", 77]],
    ["o_string", "null", undefined],
    ["f_string", "null", ""],
  ])("%s = %s", async (column, value, json) => {
    expect(await write(column, value)).toEqual(json);
  });
});

describe("a value that no message can hold is refused", () => {
  test.each([
    ["f_uint32", "-1", "22003", "f_uint32 takes 0 to 4294967295, not -1"],
    ["o_fixed32", "4294967296", "22003", "o_fixed32 takes 0 to 4294967295, not 4294967296"],
    ["w_uint32value", "-1", "22003", "0 to 4294967295"],
    ["f_uint64", "-1", "22003", "f_uint64 takes 0 to 18446744073709551615, not -1"],
    ["f_fixed64", "18446744073709551616", "22003", "not 18446744073709551616"],
    ["w_uint64value", "'NaN'", "22003", "not NaN"],
    ["w_floatvalue", "1e39", "22003", "takes single precision, not 1e+39"],
    ["w_timestamp", "'infinity'", "22003", "takes the years 0001 to 9999 (UTC), not infinity"],
    ["w_timestamp", "'0001-12-31 23:59:59Z BC'", "22003", "the years 0001 to 9999"],
    ["w_timestamp", "'10000-01-01 00:00:00Z'", "22003", "the years 0001 to 9999"],
    ["w_duration", "'-infinity'", "22003", "at most 315576000000 seconds"],
    ["w_duration", "'87660000:00:00.000001'", "22003", "at most 315576000000 seconds"],
    ["w_duration", "'1 month'", "22P02", "a month has no length"],
    ["w_duration", "'1 year -12 days'", "22P02", "a month has no length"],
    ["w_fieldmask", "'a_b'", "22P02", "lowerCamelCase"],
    ["status", "'OPEN'", "22P02", "status takes a name of test.v1.Status, not OPEN"],
    ["status", "'01'", "22P02", "a name of test.v1.Status"],
    ["status", "'9999999999'", "22003", ""],
    ["line", "'[]'", "22P02", "line takes a JSON object, not []"],
    ["voucher", "'1'", "22P02", "a JSON object"],
    ["extra", `'"a"'`, "22P02", "a JSON object"],
    ["any", `'{"sku": "s"}'`, "22P02", 'a JSON object with "@type"'],
    ["lines", "'{}'", "22P02", "lines takes a JSON array, not {}"],
    ["lines", "'[[]]'", "22P02", "a JSON array of objects"],
    ["tags", "'[1]'", "22P02", "a JSON array of strings"],
    ["tags", "'[null]'", "22P02", "a JSON array of strings"],
    ["statuses", "'[true]'", "22P02", "a JSON array of enum names"],
    ["labels", "'[]'", "22P02", "a JSON object, not []"],
    ["labels", `'{"a": 1}'`, "22P02", "a JSON object of strings"],
    ["line_of", `'{"a": []}'`, "22P02", "a JSON object of objects"],
  ])("%s = %s", async (column, value, code, message) => {
    await database
      .query("insert into test.everything_view (id) values ('refused') on conflict do nothing")
      .catch(() => undefined);
    const statements = [
      `insert into test.everything_view (id, "${column}") values ('never', ${value})`,
      `update test.everything_view set "${column}" = ${value} where id = 'refused'`,
    ];
    for (const statement of statements) {
      expect(await faultOf(database.query(statement))).toMatchObject({
        code,
        message: expect.stringContaining(message),
      });
    }
  });
});
