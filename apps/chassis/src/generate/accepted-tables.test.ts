import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { openTestFolder, type TestFolder } from "../cluster/postgres/test-folder.ts";
import { outboxSql } from "../outbox/outbox-ddl.ts";
import { changeFunctions } from "../pbtable/history/change-ddl.ts";
import { historyObjects } from "../pbtable/history/history-ddl.ts";
import { publishObjects } from "../pbtable/history/publish-ddl.ts";
import { createIndexSql, createTableSql } from "../pbtable/table-ddl.ts";
import { keyOf } from "../pbtable/table-key.ts";
import { TableWriter } from "../pbtable/table-writer.ts";
import { viewObjects } from "../pbtable/view/view-ddl.ts";
import { findPackageLayout } from "../project/package-layout.ts";
import { findProject } from "../project/project.ts";
import { runBuf } from "../project/run-buf.ts";
import { openStage } from "../project/stage-protos.ts";
import { quoteIdentifier } from "../schema/identifier.ts";
import { encodeJson } from "../schema/json/json.ts";
import { withSystemTypes } from "../schema/system-registry.ts";
import type { Table } from "../schema/table/table.ts";
import { messagesOf, tablesAmong } from "../schema/table/table-set.ts";
import { generateCode } from "./generate.ts";
import { many } from "./test-faulty-proto.ts";

/** What ProtoJSON can hold and SQL must quote. */
const odd = String.raw`edition = "2023";
package odd.v1;
import "odd/v1/old.proto";
import "quartet/v1/options.proto";
message Odd {
  option (quartet.v1.table) = {
    name: "Odd\"S'.Ta\\b$é"
    key: "select"
    index: {field: ["Upper", "upper desc"] unique: true where: {field: "closed" equals: "FIVE"}}
    index: {field: "children" kind: INDEX_KIND_GIN where: {field: "quote" not_equals: "it's \\"}}
    index: {field: "old_text" where: [{field: "select" equals: "a"}, {field: "number" not_equals: "NaN"}]}
    history: true
    publish: true
  };
  string select = 1 [features.field_presence = IMPLICIT, json_name = "it's \"$\\ é"];
  string Upper = 2;
  string upper = 3;
  Closed closed = 4;
  Odd child = 5 [features.message_encoding = DELIMITED, json_name = "$quartet$"];
  repeated Odd children = 6;
  Old old = 7 [(quartet.v1.column).path = "text", (quartet.v1.column).path = "group.inner"];
  double number = 8 [json_name = "0"];
  string quote = 9 [json_name = "[quote]"];
  message Nested {
    option (quartet.v1.table) = {name: "public.nested" key: "on" key: "kind"};
    bool on = 1 [features.field_presence = IMPLICIT];
    Open kind = 2 [features.field_presence = IMPLICIT];
  }
  extensions 100 to max;
}
extend Odd {
  string more = 100;
}
enum Closed {
  option features.enum_type = CLOSED;
  FIVE = 5;
}
enum Open {
  OPEN_UNSPECIFIED = 0;
}
`;

const old = `syntax = "proto2";
package odd.v1;
message Old {
  optional string text = 1 [default = "as it was"];
  optional group Group = 2 {
    optional string inner = 1;
  }
}
`;

const longest = { table: "t".repeat(47), field: "f".repeat(63) };

/** As much of everything as there may be: 1000 columns, 32 columns of a key and of an index, the longest names. */
const most = `syntax = "proto3";
package odd.v1;
import "quartet/v1/options.proto";
message Most {
  option (quartet.v1.table) = {
    name: "most.${longest.table}"
    ${many(32, (index) => `key: "f${index}"`)}
    index: {field: [${many(32, (index) => `"f${index + 32}"`).replaceAll("\n", ",")}]}
    index: {field: "${longest.field}"}
    index: {field: "${longest.field}" unique: true}
    publish: true
  };
  ${many(997, (index) => `string f${index} = ${index + 1};`)}
  string ${longest.field} = 1000;
}
message MostKept {
  option (quartet.v1.table) = {
    name: "most.kept"
    ${many(30, (index) => `key: "f${index}"`)}
    history: true
    publish: true
  };
  ${many(998, (index) => `string f${index} = ${index + 1};`)}
}
`;

let folder: TestFolder;
let database: TestDatabase;
let files: FileRegistry;
let tables: readonly Table[];

beforeAll(async () => {
  folder = await openTestFolder();
  await writeFile(join(folder.path, "quartet.config.ts"), "");
  for (const [name, text] of Object.entries({ odd, old, most })) {
    const path = join(folder.path, "proto/odd/v1", `${name}.proto`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  files = await readDescriptors(join(folder.path, "proto"));
  const own = [...files.files].filter((file) => file.proto.package === "odd.v1");
  tables = tablesAmong(messagesOf(own));
  database = await openTestDatabase();
  await createTables();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function readDescriptors(protos: string): Promise<FileRegistry> {
  await using stage = await openStage({ protos, imports: findPackageLayout().protoRoots }, folder.path);
  const image = join(folder.path, "image.binpb");
  const built = await runBuf(["build", ".", "-o", image], stage.folder);
  expect(built).toEqual({ exitCode: 0, output: "" });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(image)));
}

async function createTables(): Promise<void> {
  await database.query("create schema quartet");
  for (const sql of outboxSql(new Date())) await database.query(sql);
  for (const { create } of changeFunctions()) await database.query(create);
  for (const table of tables) {
    await database.query(`create schema if not exists ${quoteIdentifier(table.schemaName)}`);
    await database.query(createTableSql(table));
    for (const index of table.indexes) await database.query(createIndexSql(table, index));
    const objects = [
      ...historyObjects(table, new Date()),
      ...publishObjects(table),
      ...viewObjects(table, []),
    ];
    for (const { create } of objects) await database.query(create);
  }
}

function tableNamed(typeName: string): Table {
  const found = tables.find((table) => table.message.typeName === typeName);
  return found ?? expect.unreachable(`${typeName} is no table`);
}

function viewOf(table: Table): string {
  return `${quoteIdentifier(table.schemaName)}.${quoteIdentifier(`${table.tableName}_view`)}`;
}

async function keep(table: Table, json: Record<string, unknown>) {
  const registry = withSystemTypes(files);
  const writer = new TableWriter<DescMessage>(table, database.pool, registry);
  const message = fromJson(table.message, JSON.parse(JSON.stringify(json)), { registry });
  await writer.insert(message);
  const found = await writer.get(keyOf(table, message));
  return found === undefined ? undefined : encodeJson(table.message, found, registry);
}

describe("what the build accepts, Postgres accepts:", () => {
  test("names that need quotes, groups, closed enums, extensions, and JSON names of any characters", async () => {
    const json = {
      "it's \"$\\ é": "key",
      Upper: "U",
      upper: "u",
      closed: "FIVE",
      $quartet$: { Upper: "child" },
      children: [{ upper: "in a list" }],
      old: { group: { inner: "in a group" } },
      "0": 1.5,
      "[quote]": "q",
      "[odd.v1.more]": "extended",
    };
    const table = tableNamed("odd.v1.Odd");
    expect(await keep(table, json)).toMatchObject(json);
    const [row] = await database.query(`select * from ${viewOf(table)}`);
    expect(row).toMatchObject({
      select: "key",
      Upper: "U",
      upper: "u",
      closed: "FIVE",
      number: 1.5,
      quote: "q",
    });
    expect(row).toMatchObject({ old_text: null, old_group_inner: "in a group", version: 1n });
    const [changed] = await database.query(
      `update ${viewOf(table)} set quote = 'new' returning quote, version`,
    );
    expect(changed).toEqual({ quote: "new", version: 2n });
  });

  test("tables inside messages, in the schema public, keyed by bool and enum", async () => {
    const json = { on: true, kind: "OPEN_UNSPECIFIED" };
    expect(await keep(tableNamed("odd.v1.Odd.Nested"), json)).toEqual(json);
  });

  test.each([
    ["32 of a key and of an index, and the longest names", "odd.v1.Most", { [longest.field]: "long" }],
    ["30 of a key with a history", "odd.v1.MostKept", {}],
  ])("1000 columns, %s", async (_, name, more) => {
    const table = tableNamed(name);
    expect(table.columns.length + 2).toBe(1000);
    const json = { f0: "key", f996: "last", ...more };
    expect(await keep(table, json)).toMatchObject(json);
    const [changed] = await database.query(
      `update ${viewOf(table)} set f996 = 'new' returning f996, version`,
    );
    expect(changed).toEqual({ f996: "new", version: 2n });
  });

  test("and the plugin finds the same tables, those inside messages too", async () => {
    const { generated } = await generateCode(findProject(folder.path));
    const domain = await readFile(join(generated, "domain.ts"), "utf8");
    for (const { name, viewName } of tables) {
      expect(domain).toContain(`${JSON.stringify(name)}: PbRow<{`);
      expect(domain).toContain(`${JSON.stringify(viewName)}: ViewRow<{`);
    }
  });
});
