import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  openTestServer,
  type TestDatabase,
  type TestServer,
  testPassword,
} from "../cluster/postgres/test-database.ts";
import { checkData } from "./check-data.ts";
import { describeData } from "./describe-data.ts";
import { buildDomain, check, createStores, store, summarize } from "./test-data.ts";

let server: TestServer;
let database: TestDatabase;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  database = await server.openDatabase();
});

/** Stores rows with the schema of `fields`, and checks them with it. */
async function checkRows(
  fields: Readonly<Record<string, string>>,
  rows: readonly (object | string)[],
  line: Readonly<Record<string, string>> = {},
) {
  const domain = buildDomain({ order: fields, line });
  await createStores(database, domain);
  await store(database, rows);
  return check(database, domain);
}

describe("rows that the build wrote", () => {
  test("are no finding, whatever their spelling", async () => {
    const report = await checkRows(
      {
        count: "int64",
        small: "int32",
        ratio: "double",
        blob: "bytes",
        blobs: "repeated bytes",
        at: ".google.protobuf.Timestamp",
        maybe: ".google.protobuf.Int64Value",
        color: "enum Color",
        lines: "repeated .market.v1.Line",
        labels: "map string string",
        counts: "map int32 int64",
        extra: ".google.protobuf.Struct",
        any: ".google.protobuf.Any",
        a: "oneof choice string",
        b: "oneof choice int32",
      },
      [
        { id: "old" },
        { id: "canonical", count: "9223372036854775807", ratio: "NaN", blob: "+/8=", color: "COLOR_RED" },
        {
          id: "spelled",
          count: 5,
          small: 1,
          ratio: 0.1,
          blobs: ["-_8", "+/8=", "-_8="],
          color: 1,
          at: "2024-02-29T12:00:00.5Z",
        },
        { id: "null", count: null, at: null, lines: [], labels: {}, a: null },
        { id: "nested", lines: [{ sku: "a" }, {}], labels: { __proto__: "x" }, counts: { 1: "2" }, b: 3 },
        '{"id": "tiny", "ratio": 5e-324, "extra": {"n": [1.5, {"m": 1e300}]}, "maybe": "-9223372036854775808"}',
        { id: "any", any: { "@type": "type.googleapis.com/market.v1.Line", sku: "x" } },
        { id: "wkt", any: { "@type": "type.googleapis.com/google.protobuf.Duration", value: "1.5s" } },
      ],
    );
    expect(report.findings).toEqual([]);
    expect(report.notes).toEqual([]);
    expect(report.tables).toContainEqual({
      database: "main",
      table: "market.orders",
      rows: 8,
      expectedRows: 8,
      tableRows: 8,
      whole: true,
    });
  });
});

describe("a row that cannot be read", () => {
  test("is found by the path of what is wrong, in lists, maps and Any, all at once", async () => {
    const report = await checkRows(
      {
        count: "int64",
        at: ".google.protobuf.Timestamp",
        lines: "repeated .market.v1.Line",
        named: "map string .market.v1.Line",
        flags: "map bool string",
        tags: "repeated string",
        any: ".google.protobuf.Any",
      },
      [
        { id: "1", lines: [{ sku: "good" }, { sku: "x", quantity: "many" }], tags: ["a", 7] },
        { id: "2", lines: [{ quantity: 1.5 }], named: { a: { quantity: "9223372036854775808" } } },
        { id: "3", at: "yesterday", flags: { maybe: "x" } },
        { id: "4", any: { "@type": "type.googleapis.com/market.v1.Line", quantity: true } },
        { id: "5", lines: {}, tags: "a" },
        "[]",
      ],
      { quantity: "int64" },
    );
    expect(summarize(report.findings).filter((line) => line.includes("unparsable"))).toEqual([
      "market.orders any.quantity unparsable 1",
      "market.orders at unparsable 1",
      "market.orders flags{} unparsable 1",
      "market.orders lines unparsable 1",
      "market.orders lines[].quantity unparsable 1",
      "market.orders lines[].quantity unparsable 1",
      "market.orders named{}.quantity unparsable 1",
      "market.orders tags unparsable 1",
      "market.orders tags[] unparsable 1",
      "market.orders unparsable 1",
    ]);
    expect(report.findings.find(({ path }) => path === "tags[]")).toMatchObject({
      detail: "is no string (a JSON number is stored)",
      examples: [["1"]],
    });
    expect(JSON.stringify(report)).not.toMatch(/yesterday|many/);
  });

  test("is counted with three examples, however many there are", async () => {
    const rows = Array.from({ length: 20 }, (_, index) => ({
      id: `row ${String(index).padStart(2, "0")}`,
      tags: [1, 2],
    }));
    const { findings } = await checkRows({ tags: "repeated string" }, rows);
    expect(findings).toMatchObject([{ rows: 20, examples: [["row 00"], ["row 01"], ["row 02"]] }]);
  });

  test("nested deeper than stored rows are read is found", async () => {
    const deep = `${'{"line": '.repeat(300)}{}${"}".repeat(300)}`;
    const report = await checkRows({ line: ".market.v1.Line" }, [`{"id": "deep", "line": ${deep}}`], {
      line: ".market.v1.Line",
    });
    expect(report.findings).toMatchObject([{ kind: "unparsable", rows: 1 }]);
  });
});

describe("a row that would change", () => {
  test("is found: names of enum values that are gone, digits, types, surplus members and nulls", async () => {
    const report = await checkRows(
      {
        color: "enum Color",
        colors: "repeated enum Color",
        big: "int64",
        ratio: "double",
        word: "int32",
        extra: ".google.protobuf.Struct",
        a: "oneof choice string",
        b: "oneof choice int32",
        two_words: "string",
        tags: "repeated string",
      },
      [
        { id: "1", color: "COLOR_PURPLE", colors: ["COLOR_RED", "COLOR_PURPLE", "COLOR_RED"] },
        '{"id": "2", "ratio": 0.12345678901234567890, "extra": {"n": [{"m": 12345678901234567890}]}}',
        { id: "3", word: "12" },
        { id: "4", a: "x", b: 1 },
        { id: "5", twoWords: "a", two_words: "b" },
        { id: "6", tags: ["a", null, "b"] },
      ],
    );
    expect(summarize(report.findings)).toEqual([
      "market.orders b changed 1",
      "market.orders color unknown_enum 1",
      "market.orders colors[] unknown_enum 1",
      "market.orders extra precision 1",
      "market.orders ratio precision 1",
      "market.orders tags[] changed 1",
      "market.orders two_words changed 1",
      "market.orders word changed 1",
    ]);
  });

  test("is not one that a newer build wrote: keys, numbers and types of others are noted", async () => {
    const report = await checkRows(
      { color: "enum Color", lines: "repeated .market.v1.Line", any: ".google.protobuf.Any" },
      [
        { id: "1", futureField: 1, lines: [{ sku: "a", gift: true }, { gift: false }] },
        { id: "2", futureField: { deep: [] }, color: 77 },
        { id: "3", any: { "@type": "type.googleapis.com/bank.v1.Paid", amount: 3 } },
      ],
    );
    expect(report.findings).toEqual([]);
    expect(summarize(report.notes)).toEqual([
      "market.orders any foreign_type 1",
      "market.orders color unknown_enum_number 1",
      "market.orders futureField unknown_key 2",
      "market.orders lines[].gift unknown_key 1",
    ]);
  });

  test("holds an Any of a type that its package no longer has", async () => {
    const row = { id: "1", any: { "@type": "type.googleapis.com/market.v1.Gone", x: 1 } };
    const { findings } = await checkRows({ any: ".google.protobuf.Any" }, [row]);
    expect(summarize(findings)).toEqual(["market.orders any unknown_type 1"]);
  });
});

describe("a column", () => {
  test("that cannot be computed of some rows is found with these rows, before and after it is there", async () => {
    const fields = { count: "int32", at: ".google.protobuf.Timestamp", text: "string" };
    await createStores(database, buildDomain({ order: fields }));
    for (let index = 0; index < 50; index++) {
      const bad = index % 20 === 7;
      await store(database, {
        id: String(index),
        count: bad ? "much" : index,
        at: bad ? "2024-01-01T00:00:00+02:00" : "2024-01-01T00:00:00Z",
        later: bad ? "x" : "1",
      });
    }
    const report = await check(database, buildDomain({ order: { ...fields, later: "uint64" } }));
    const columns = report.findings.filter(({ kind }) => kind === "column");
    expect(summarize(columns)).toEqual([
      "market.orders at column 3",
      "market.orders count column 3",
      "market.orders later column 3",
    ]);
    expect(columns[0]?.examples).toEqual([["27"], ["47"], ["7"]]);
    expect(columns.map(({ detail }) => detail).join()).not.toMatch(/much|"x"/);
  });
});

describe("keys", () => {
  test("of several columns carry the reading from batch to batch", async () => {
    const domain = buildDomain({});
    await createStores(database, domain);
    await database.query(`insert into market.stock (pb) select jsonb_build_object('shop', 's' || n % 3, 'number', n::text,
      'color', case when n % 2 = 0 then 'COLOR_RED' else 'COLOR_UNSPECIFIED' end) from generate_series(-1500, 1500) n`);
    await store(database, { shop: "it's", number: "7", color: "COLOR_RED", text: 5 }, "market.stock");
    const report = await check(database, domain);
    expect(report.tables.find(({ table }) => table === "market.stock")).toMatchObject({
      rows: 3002,
      whole: true,
    });
    expect(report.findings).toMatchObject([{ path: "text", examples: [["it's", "7", "COLOR_RED"]] }]);
  });

  test("that are not those of the message are found", async () => {
    const domain = buildDomain({});
    await createStores(database, domain);
    await store(database, { shop: "s", number: "007", color: "COLOR_PURPLE" }, "market.stock");
    expect(summarize((await check(database, domain)).findings)).toEqual([
      "market.stock color key 1",
      "market.stock color unknown_enum 1",
    ]);
  });

  test("of another build's table are found", async () => {
    await createStores(database, buildDomain({}));
    await database.query("drop table market.stock");
    await database.query("create table market.stock (pb jsonb, shop text primary key)");
    await database.query("drop table market.orders");
    await database.query("create table market.orders (id text primary key)");
    expect(summarize((await check(database, buildDomain({}))).findings)).toEqual([
      "market.orders shape 0",
      "market.stock shape 0",
    ]);
  });
});

describe("events", () => {
  async function publish(type: string, payload: object): Promise<void> {
    await database.query(
      "insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload) values (uuidv7(), 'x', 'y', $1, $2)",
      [type, JSON.stringify(payload)],
    );
  }

  async function bury(id: string, eventType: string, eventData: string): Promise<void> {
    await store(database, { deadLetterId: id, eventType, eventData }, "quartet.dead_letter");
  }

  test("in the outbox are read by their type", async () => {
    const domain = buildDomain({ line: { quantity: "int32" } });
    await createStores(database, domain);
    await publish("market.v1.Placed", { id: "1", count: 5, line: { quantity: 3 } });
    await publish("market.v1.Placed", { id: "2", count: "x", line: { quantity: [] }, later: 1 });
    await publish("market.v1.Gone", {});
    await publish("bank.v1.Paid", {});
    const report = await check(database, domain);
    expect(summarize(report.findings)).toEqual([
      "quartet.outbox market.v1.Gone unknown_type 1",
      "quartet.outbox market.v1.Placed count unparsable 1",
      "quartet.outbox market.v1.Placed line.quantity unparsable 1",
    ]);
    expect(summarize(report.notes)).toEqual([
      "quartet.outbox bank.v1.Paid foreign_type 1",
      "quartet.outbox market.v1.Placed later unknown_key 1",
    ]);
  });

  test("in dead letters are read from their text", async () => {
    const domain = buildDomain({});
    await createStores(database, domain);
    await bury("1", "market.v1.Placed", '{"id": "1"}');
    await bury("2", "market.v1.Placed", '{"count": 12345678901}');
    await bury("3", "market.v1.Placed", "{");
    await bury("4", "bank.v1.Paid", "{}");
    const report = await check(database, domain);
    expect(summarize(report.findings)).toEqual([
      "quartet.dead_letter market.v1.Placed eventData unparsable 1",
      "quartet.dead_letter market.v1.Placed eventData.count unparsable 1",
    ]);
    expect(summarize(report.notes)).toEqual(["quartet.dead_letter bank.v1.Paid eventData foreign_type 1"]);
  });

  test("of both databases are read, each under its name", async () => {
    const domain = buildDomain({});
    await using events = await server.openDatabase();
    await createStores(database, domain);
    await events.query("create schema quartet");
    await events.query("create table quartet.outbox (id uuid primary key, type text, payload jsonb)");
    await events.query(`insert into quartet.outbox values (uuidv7(), 'market.v1.Placed', '{"count": {}}')`);
    const target = { databaseUrl: database.url(), eventsDatabaseUrl: events.url() };
    const report = await checkData(domain, target, { sampleRows: undefined, seed: 1 });
    expect(report.findings).toMatchObject([{ database: "events", table: "quartet.outbox", path: "count" }]);
  });
});

describe("a check", () => {
  test("of a big table reads random pages of it, the same ones for the same seed", async () => {
    const domain = buildDomain({ order: { count: "int32" } });
    await createStores(database, domain);
    await database.query(`insert into market.orders (pb) select jsonb_build_object('id', n::text, 'count',
      case when n % 500 = 0 then to_jsonb('bad'::text) else to_jsonb(n) end) from generate_series(1, 60000) n`);
    const seen: number[] = [];
    const options = {
      sampleRows: 3000,
      seed: 7,
      onProgress: ({ rows }: { rows: number }) => void seen.push(rows),
    };
    const report = await check(database, domain, options);
    const table = report.tables.find((each) => each.table === "market.orders");
    expect(table?.whole).toBe(false);
    expect(table?.tableRows).toBeGreaterThan(40_000);
    expect(table?.tableRows).toBeLessThan(80_000);
    expect(table?.rows).toBeGreaterThan(1_500);
    expect(table?.rows).toBeLessThan(6_000);
    expect(seen.length).toBeGreaterThan(1);
    expect(report.findings.map(({ kind }) => kind).sort()).toEqual(["column", "unparsable"]);
    expect(await check(database, domain, { sampleRows: 3000, seed: 7 })).toEqual(report);
    expect(await check(database, domain, { sampleRows: 3000, seed: 8 })).not.toEqual(report);
  });

  test("holds a few rows at a time when they are large", async () => {
    const domain = buildDomain({ order: { text: "string" } });
    await createStores(database, domain);
    // Stored as it is, so that the size of the batch is that of its text.
    await database.query("alter table market.orders alter pb set storage external");
    await database.query(`insert into market.orders (pb)
      select jsonb_build_object('id', n::text, 'text', repeat('x', 500000)) from generate_series(1, 60) n`);
    const seen: number[] = [0];
    await check(database, domain, {
      onProgress: ({ rows, table }) => table === "market.orders" && seen.push(rows),
    });
    const batches = seen.slice(1).map((rows, index) => rows - (seen[index] ?? 0));
    expect(seen.at(-1)).toBe(60);
    expect(Math.max(...batches)).toBeLessThanOrEqual(3);
  });

  test("needs no right but SELECT, and says what it may not read", async () => {
    const domain = buildDomain({});
    await createStores(database, domain);
    await store(database, { id: "1" });
    await database.query(`create role reader login password '${testPassword.replace("'", "''")}'`);
    await database.query(
      "grant usage on schema market to reader; grant select on market.orders, market.stock to reader",
    );
    const { findings, tables } = await check(database, domain, { user: "reader" });
    expect(tables.find(({ table }) => table === "market.orders")).toMatchObject({ rows: 1 });
    expect(summarize(findings)).toEqual(["quartet.dead_letter unreadable 0", "quartet.outbox unreadable 0"]);
    await database.query(
      "grant usage on schema quartet to reader; grant select on all tables in schema quartet to reader",
    );
    expect((await check(database, domain, { user: "reader" })).findings).toEqual([]);
  });

  test("counts what it cannot list", async () => {
    const rows = Array.from({ length: 250 }, (_, index) => ({
      id: String(index),
      [`key${index}`]: 1,
      count: "x",
    }));
    const report = await checkRows({ count: "int32" }, rows);
    expect(report.notes).toHaveLength(201);
    expect(report.notes.at(-1)).toMatchObject({ kind: "unknown_key", path: "", rows: 50 });
    expect(summarize(report.findings)).toEqual([
      "market.orders count column 250",
      "market.orders count unparsable 250",
    ]);
  });

  test("finds nothing wrong with tables that are not there yet", async () => {
    const report = await check(database, buildDomain({}));
    expect(report.findings).toEqual([]);
    expect(summarize(report.notes)).toEqual(["market.orders absent 0", "market.stock absent 0"]);
  });

  test("is told in lines that name table, path and keys", async () => {
    const report = await checkRows({ count: "int32" }, [
      { id: "1", count: true, x: 1 },
      { id: "2", count: true },
    ]);
    expect(describeData(report)).toContain(
      'market.orders count: unparsable: is no int32 (a JSON boolean is stored) — 2 rows, such as "1", "2"',
    );
    expect(describeData(report)).toContain(
      'market.orders x: unknown_key: is no field of this build — 1 row, such as "1"',
    );
  });
});
