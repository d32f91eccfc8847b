import { clone, create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { encodeJson } from "../schema/json/json.ts";
import { tableOf } from "../schema/table/table.ts";
import { arbitraryMessage } from "../schema/test-arbitrary.ts";
import { arbitraryTable, buildTable, type RandomTable } from "../schema/test-random-file.ts";
import { type LooseMessage, make } from "../schema/test-schema.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import { createIndexSql, createTableSql } from "./table-ddl.ts";
import { keyOf } from "./table-key.ts";
import { TableWriter } from "./table-writer.ts";
import { expectedColumns } from "./test-columns.ts";
import { RandomRows } from "./test-random-rows.ts";
import { viewObjects } from "./view/view-ddl.ts";

/** Raise it to look for more: 40 schemas take about ten seconds. */
const schemas = 40;
const messagesPerSchema = 3;

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create schema random");
});
afterAll(() => database[Symbol.asyncDispose]());

/** A random table with random messages of it, no two with one key. */
const scene = arbitraryTable.chain((drawn) => {
  const table = tableOf(drawn.row);
  const messages = fc.uniqueArray(arbitraryMessage(drawn.row), {
    maxLength: messagesPerSchema + 1,
    selector: (message) => JSON.stringify(keyOf(table, message), printBigint),
  });
  return messages.map((found) => ({ drawn, messages: found }));
});

/** Creates the table and its view, and drops both in the end. */
async function withTable<T>(drawn: RandomTable, run: (rows: RandomRows) => Promise<T>): Promise<T> {
  const table = tableOf(drawn.row);
  try {
    await database.query(createTableSql(table));
    for (const index of table.indexes) await database.query(createIndexSql(table, index, "at once"));
    for (const { create: sql } of viewObjects(table, [])) await database.query(sql);
    return await run(new RandomRows(database, drawn));
  } finally {
    await database.query(`drop table if exists ${table.sqlName} cascade`);
  }
}

describe("a message of any schema", () => {
  test("comes back from table, columns, view, update and patch as it was", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(scene, ({ drawn, messages }) =>
        withTable(drawn, async (rows) => {
          for (const [index, message] of messages.slice(0, messagesPerSchema).entries()) {
            await requireRoundTrip(drawn, rows, message, messages[index + 1]);
          }
        }),
      ),
      { numRuns: schemas },
    );
  });

  test("is refused with the path of its U+0000 before Postgres sees it", async () => {
    const client: SqlClient = {
      query: () => Promise.reject(new Error("Postgres was asked")),
    };
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(scene, fc.nat(), async ({ drawn, messages: [drawnMessage] }, pick) => {
        const message = clone(drawn.row, drawnMessage ?? create(drawn.row));
        const places = placesOfText(message);
        if (places.length === 0) return;
        places[pick % places.length]?.();
        const table = tableOf(drawn.row);
        const writer = new TableWriter(table, client, drawn.registry);
        const [field] = pathsOfNul(encodeJson(drawn.row, message, drawn.registry));
        expect(field).toBeDefined();
        await expect(writer.insert(message)).rejects.toMatchObject({ code: "invalid_argument", field });
        refused += 1;
      }),
      { numRuns: 5 * schemas },
    );
    expect(refused).toBeGreaterThan(schemas);
  });

  test("may be large, and deeper than a request may be", async () => {
    const drawn = buildTable({
      enums: {},
      messages: {
        Inner: { fields: { inner: ".random.v1.Inner", text: "string" } },
        Row: {
          table: { name: "random.large", key: ["id"] },
          fields: {
            id: "int32",
            inner: ".random.v1.Inner",
            text: "string",
            blob: "bytes",
            texts: "repeated string",
          },
        },
      },
      methods: {},
    });
    const inner = Array.from({ length: 200 }).reduce<object>((inside) => ({ inner: inside, text: "é" }), {
      text: "",
    });
    const text = "it's 漢 🎻 \\".repeat(70_000);
    const blob = new Uint8Array(65_536).map((_, index) => (index * 7) % 256);
    const message = create(drawn.row, { id: 1, inner, text, blob, texts: ["", text] }) as LooseMessage;
    await withTable(drawn, (rows) => requireRoundTrip(drawn, rows, message, make(drawn.row, { id: 2 })));
  });
});

describe("a field", () => {
  test("may have the name of a variable of the view's function", async () => {
    const drawn = buildTable({
      enums: {},
      messages: {
        Row: {
          table: { name: "random.variables", key: ["id"] },
          fields: {
            id: "int32",
            changed: "string",
            fault: "string",
            removed: "optional string",
            own: "optional int32",
          },
        },
      },
      methods: {},
    });
    const message = make(drawn.row, { id: 1, changed: "a", fault: "b", removed: "c", own: 3 });
    await withTable(drawn, (rows) => requireRoundTrip(drawn, rows, message, make(drawn.row, { id: 2 })));
  });

  test.each([".google.protobuf.Value", "oneof choice .google.protobuf.Value"])(
    "of type %s keeps JSON null through the view",
    async (spec) => {
      const drawn = buildTable({
        enums: {},
        messages: {
          Row: {
            table: { name: `random.nulls${spec.length}`, key: ["id"] },
            fields: { id: "int32", any: spec },
          },
        },
        methods: {},
      });
      const value = (json: JsonValue) => {
        const any = fromJson(ValueSchema, json);
        return spec.startsWith("oneof") ? { choice: { case: "any", value: any } } : { any };
      };
      const [none, five] = [
        make(drawn.row, { id: 1, ...value(null) }),
        make(drawn.row, { id: 2, ...value(5) }),
      ];
      await withTable(drawn, (rows) => requireRoundTrip(drawn, rows, none, five));
      await withTable(drawn, (rows) => requireRoundTrip(drawn, rows, five, none));
    },
  );

  test("that every JavaScript object has already makes no table", () => {
    const { row } = buildTable({
      enums: {},
      messages: {
        Row: {
          table: { name: "random.inherited", key: ["id"] },
          fields: { id: "int32", has_own_property: "bool" },
        },
      },
      methods: {},
    });
    expect(() => tableOf(row)).toThrow(
      'field "has_own_property" is "hasOwnProperty" in TypeScript, which every object has already',
    );
  });
});

/** Takes a message through every way in and out; `next` is another message, with another key. */
async function requireRoundTrip(
  drawn: RandomTable,
  rows: RandomRows,
  message: LooseMessage,
  next: LooseMessage | undefined,
): Promise<void> {
  await rows.writer.insert(message);
  expect(await rows.get(message)).toEqual(rows.json(message));
  expect(await rows.columns(message)).toMatchObject(expectedColumns(rows.table, message, drawn.registry));
  if (next === undefined) return;
  const copy = rows.withKey(message, next);
  await rows.copy(message, next);
  expect(await rows.get(next)).toEqual(rows.shown(copy));
  await rows.writer.delete(keyOf(rows.table, next));

  await rows.writer.insert(next);
  await rows.overwrite(next, message);
  expect(rows.shown((await rows.writer.get(keyOf(rows.table, next))) as LooseMessage)).toEqual(
    rows.shown(copy),
  );
  await rows.writer.delete(keyOf(rows.table, next));

  const key = keyOf(rows.table, message);
  const changes = rows.content(next);
  await rows.writer.patch(key, changes);
  const patched = create(rows.table.message, { ...message, ...changes }) as LooseMessage;
  expect(await rows.get(message)).toEqual(rows.json(patched));
  await rows.writer.update(key, (draft) => {
    for (const name of Object.keys(rows.content(draft as LooseMessage))) Reflect.deleteProperty(draft, name);
    Object.assign(draft, rows.content(message));
  });
  expect(await rows.get(message)).toEqual(rows.json(message));
}

/** Every text of a message and every key that is text; calling one puts U+0000 there. */
function placesOfText(node: object): (() => void)[] {
  const { $typeName = "" } = node as { readonly $typeName?: string };
  // Of these, other texts are no JSON at all.
  if (["google.protobuf.Any", "google.protobuf.FieldMask"].includes($typeName)) return [];
  const isMap = $typeName === "" && !Array.isArray(node) && !("case" in node);
  return Object.entries(node).flatMap(([key, value]: [string, unknown]) => {
    if (key.startsWith("$") || (key === "case" && !isMap)) return [];
    const rename = () => {
      Reflect.deleteProperty(node, key);
      Reflect.set(node, `${key}\0`, value);
    };
    // Keys that are numbers or booleans have no other texts.
    const places = isMap && !/^(-?\d+|true|false)$/.test(key) ? [rename] : [];
    if (typeof value === "string") return [...places, () => void Reflect.set(node, key, `${value}\0`)];
    const inside = typeof value === "object" && value !== null && !ArrayBuffer.isView(value);
    return inside ? [...places, ...placesOfText(value)] : places;
  });
}

/** Paths of texts with U+0000; of a key, that of the object it is in. */
function pathsOfNul(json: JsonValue, path = ""): string[] {
  if (typeof json === "string") return json.includes("\0") ? [path] : [];
  if (Array.isArray(json)) return json.flatMap((item, index) => pathsOfNul(item, `${path}[${index}]`));
  return Object.entries(json ?? {}).flatMap(([key, value]) => {
    if (key.includes("\0")) return [path];
    return pathsOfNul(value as JsonValue, path === "" ? key : `${path}.${key}`);
  });
}

function printBigint(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
