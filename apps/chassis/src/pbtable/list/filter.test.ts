import { create, type DescMessage } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import type { IntentSchema } from "../../gen/quartet/v1/intent_pb.ts";
import { type OperationRecordSchema, OperationState } from "../../gen/quartet/v1/operation_pb.ts";
import type { LooseMessage } from "../../schema/test-schema.ts";
import { ParcelLineSchema, ParcelSchema, parcelWriter } from "../merge/test-parcel.ts";
import type { TableReader } from "../table-reader.ts";
import type { TableWriter } from "../table-writer.ts";
import { createTables } from "../test-table.ts";
import type { Filter } from "./filter.ts";
import type { OrderBy } from "./order-by.ts";

let database: TestDatabase;
let parcels: TableWriter<DescMessage>;

const time = (seconds: bigint, nanos = 0) => ({ seconds, nanos });

const rows: Record<string, unknown>[] = [
  { label: "alpha", status: 1, weight: 0.1, small: Math.fround(0.1), big: 2n ** 64n - 1n, fragile: true },
  { label: "al%pha", status: 2, weight: Number.NaN, rank: 0, sentTime: time(5n, 123_456_789) },
  {
    label: "beta_",
    status: 77,
    rank: 5,
    nick: "n",
    took: time(90n, 500_000_000),
    digest: Uint8Array.of(0, 255),
  },
  { payment: { case: "card", value: "visa" }, tags: ["red", "it's"], attributes: { colour: "red" } },
  {
    payment: { case: "cents", value: 0n },
    lines: [
      { sku: "a", quantity: 2n },
      { sku: "b", status: 1 },
    ],
  },
  { address: { country: "DE", city: "Köln" }, lines: [{ sku: "a", parts: [{ sku: "p" }] }] },
];

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [ParcelSchema]);
  parcels = parcelWriter(database.pool);
  await parcels.insertMany(rows.map((row, index) => ({ ...row, tenant: "t", number: BigInt(index) })));
});
afterAll(() => database[Symbol.asyncDispose]());

type Where = Readonly<Record<string, unknown>>;

async function matching(where: Where): Promise<number[]> {
  const { messages } = await parcels.list({ where });
  return messages.map((message) => Number((message as LooseMessage)["number"]));
}

describe("a filter", () => {
  test.each<[string, Where, number[]]>([
    ["text", { label: "alpha" }, [0]],
    ["an int64 of the key", { number: 3n }, [3]],
    ["an enum, by its number", { status: 1 }, [0]],
    ["an enum value without a name", { status: 77 }, [2]],
    ["a double", { weight: 0.1 }, [0]],
    ["NaN", { weight: Number.NaN }, [1]],
    ["a float", { small: Math.fround(0.1) }, [0]],
    ["a uint64 beyond 2^63", { big: 2n ** 64n - 1n }, [0]],
    ["a bool", { fragile: true }, [0]],
    ["bytes", { digest: Uint8Array.of(0, 255) }, [2]],
    ["a timestamp, to the microsecond", { sentTime: timestampFromDate(new Date(5_123)) }, []],
    ["a wrapper", { nick: "n" }, [2]],
    ["a member of a oneof", { card: "visa" }, [3]],
    ["a member of a oneof that is zero", { cents: 0n }, [4]],
    ["a field inside a message", { "address.country": "DE" }, [5]],
    ["zero, which optional fields that are not set are not", { rank: 0 }, [1]],
    ["several fields at once", { label: "alpha", fragile: true, status: 1 }, [0]],
    ["several fields of which one differs", { label: "alpha", fragile: false }, []],
  ])("takes rows by equality: %s", async (_, where, expected) => {
    expect(await matching(where)).toEqual(expected);
  });

  test.each<[string, Where, number[]]>([
    ["lt", { number: { lt: 2n } }, [0, 1]],
    ["a range", { number: { gt: 1n, lte: 3n } }, [2, 3]],
    ["gte of a date", { sentTime: { gte: new Date(5_123) } }, [1]],
    ["lt of a date", { sentTime: { lt: new Date(5_124) } }, [1]],
    ["gt of a duration", { took: { gt: { $typeName: "google.protobuf.Duration", ...time(90n) } } }, [2]],
    ["in", { label: { in: ["alpha", "beta_", "gamma"] } }, [0, 2]],
    ["in of enums", { status: { in: [1, 77] } }, [0, 2]],
    ["in of bytes", { digest: { in: [Uint8Array.of(0, 255)] } }, [2]],
    ["in of dates", { sentTime: { in: [new Date(0)] } }, []],
    ["in of nothing", { label: { in: [] } }, []],
    ["ne of a field that is always set", { label: { ne: "" } }, [0, 1, 2]],
    ["ne of a field that may not be", { rank: { ne: 5 } }, [0, 1, 3, 4, 5]],
    ["startsWith", { label: { startsWith: "al" } }, [0, 1]],
    ["startsWith of signs that patterns have", { label: { startsWith: "al%" } }, [1]],
    ["startsWith of nothing", { label: { startsWith: "" }, number: { lt: 2n } }, [0, 1]],
    ["isSet", { rank: { isSet: true } }, [1, 2]],
    ["isSet of a message", { address: { isSet: true } }, [5]],
    ["not isSet", { card: { isSet: false }, number: { gt: 2n } }, [4, 5]],
  ])("takes rows by %s", async (_, where, expected) => {
    expect(await matching(where)).toEqual(expected);
  });

  test.each<[string, Where, number[]]>([
    ["an element of a list", { tags: { contains: "red" } }, [3]],
    ["elements of a list", { tags: { contains: ["it's", "red"] } }, [3]],
    ["an element no list has", { tags: { contains: ["red", "blue"] } }, []],
    ["a message in part", { lines: { contains: { sku: "a" } } }, [4, 5]],
    ["a message in part, with an int64", { lines: { contains: { sku: "a", quantity: 2n } } }, [4]],
    ["a message in part, with a zero", { lines: { contains: { sku: "b", quantity: 0n } } }, [4]],
    ["a message in part, with an enum", { lines: { contains: [{ status: 1 }] } }, [4]],
    ["a message inside a message", { lines: { contains: { parts: [{ sku: "p" }] } } }, [5]],
    [
      "a created message, by what is set",
      { lines: { contains: create(ParcelLineSchema, { sku: "a" }) } },
      [4, 5],
    ],
    ["an entry of a map", { attributes: { contains: { colour: "red" } } }, [3]],
    ["a field of a message", { address: { contains: { city: "Köln" } } }, [5]],
  ])("takes rows that contain %s", async (_, where, expected) => {
    expect(await matching(where)).toEqual(expected);
  });

  test.each<[string, Where, string]>([
    ["a field there is not", { nothing: 1 }, "nothing"],
    ["a field by its name in SQL", { sent_time: new Date() }, "sent_time"],
    ["a name of every object", { constructor: "x" }, "constructor"],
    ["a hidden field", { secret: "x" }, "secret"],
    ["a field inside a message without a column", { "address.city": "x" }, "address.city"],
    ["undefined", { label: undefined }, "label"],
    ["an operator on undefined", { label: { eq: undefined } }, "label"],
    ["null", { label: null }, "label"],
    ["text for a number", { weight: "1" }, "weight"],
    ["a number for text", { label: 1 }, "label"],
    ["a number beyond its range", { rank: 2 ** 31 }, "rank"],
    ["a fraction for an integer", { rank: 1.5 }, "rank"],
    ["an invalid date", { sentTime: new Date(Number.NaN) }, "sentTime"],
    ["an unknown operator", { label: { like: "x" } }, "label"],
    ["isSet of a field that always is", { label: { isSet: true } }, "label"],
    ["isSet of a list", { tags: { isSet: true } }, "tags"],
    ["equality of a list", { tags: ["red"] }, "tags"],
    ["contains of text", { label: { contains: "x" } }, "label"],
    ["the order of an enum", { status: { gt: 1 } }, "status"],
    ["startsWith of a number", { rank: { startsWith: "1" } }, "rank"],
    ["in of no list", { label: { in: "x" } }, "label"],
    ["what a list's message does not have", { lines: { contains: { size: 1 } } }, "lines"],
    ["U+0000", { label: "a\0" }, ""],
  ])("refuses %s", async (_, where, field) => {
    await expect(matching(where)).rejects.toMatchObject({
      code: "invalid_argument",
      ...(field === "" ? {} : { field: expect.stringContaining(field) }),
    });
  });

  test("binds values: SQL in them is text", async () => {
    expect(await matching({ label: `'; drop table test.parcels; --` })).toEqual([]);
    expect(await matching({ label: { startsWith: `' or ''='` } })).toEqual([]);
    expect(await matching({})).toHaveLength(rows.length);
  });
});

describe("an order", () => {
  test.each([["nothing"], ["tags"], ["secret"], ["label down"], ["label desc now"], ["label label"], [""]])(
    'of "%s" is refused',
    async (orderBy) => {
      await expect(parcels.list({ orderBy })).rejects.toMatchObject({ code: "invalid_argument" });
    },
  );

  test("that names a field twice is refused", async () => {
    await expect(parcels.list({ orderBy: ["label", "label desc"] })).rejects.toMatchObject({
      code: "invalid_argument",
      field: "label",
    });
  });
});

describe("types of generated messages", () => {
  type Operations = TableReader<typeof OperationRecordSchema>;
  type Where = Filter<typeof OperationRecordSchema>;
  const list: (...args: Parameters<Operations["list"]>) => void = () => undefined;

  test("allow values and operators of each field's type", () => {
    list({ where: { method: "x", principal: { startsWith: "p" } } });
    list({ where: { state: OperationState.FAILED, acceptTime: { gte: new Date(), isSet: true } } });
    list({ where: { state: { in: [OperationState.FAILED] } }, orderBy: ["acceptTime desc", "method"] });
    list({ where: { problem: { contains: { code: "internal" } }, "problem.code": "internal" } });
    list({ orderBy: "problem.code" });
    expectTypeOf<Filter<DescMessage>>().toEqualTypeOf<Readonly<Record<string, unknown>>>();
    expectTypeOf<OrderBy<DescMessage>>().toEqualTypeOf<string>();
  });

  test("allow members of a oneof", () => {
    expectTypeOf<{ answerOfWrite: 1 }>().toExtend<Filter<typeof IntentSchema>>();
    expectTypeOf<{ writes: { contains: { typeUrl: "x" } } }>().toExtend<Filter<typeof IntentSchema>>();
    expectTypeOf<"answer">().not.toExtend<keyof Filter<typeof IntentSchema>>();
  });

  test("refuse the wrong field, type or operator", () => {
    // @ts-expect-error no such field
    list({ where: { methods: "x" } });
    // @ts-expect-error its name in SQL
    list({ where: { accept_time: new Date() } });
    // @ts-expect-error text for an enum
    list({ where: { state: "FAILED" } });
    // @ts-expect-error an enum has no order
    list({ where: { state: { gt: OperationState.FAILED } } });
    // @ts-expect-error a number for text
    list({ where: { method: 1 } });
    // @ts-expect-error undefined, which would take every row
    list({ where: { method: undefined } });
    // @ts-expect-error text is always set
    list({ where: { method: { isSet: true } } });
    // @ts-expect-error no such operator
    list({ where: { method: { like: "x" } } });
    // @ts-expect-error a message has no equality
    list({ where: { problem: { code: "internal" } } });
    // @ts-expect-error a message has no order
    list({ orderBy: "problem" });
    // @ts-expect-error no such direction
    list({ orderBy: "method down" });
    expectTypeOf<Where>().not.toExtend<Record<string, string>>();
  });
});
