import { createFileRegistry, type DescMessage, type FileRegistry } from "@bufbuild/protobuf";
import type { TestDatabase } from "../../cluster/postgres/test-database.ts";
import { outboxSql } from "../../outbox/outbox-ddl.ts";
import { withSystemTypes } from "../../schema/system-registry.ts";
import { tableOf } from "../../schema/table/table.ts";
import { buildTestFile, testImports } from "../../schema/test-file.ts";
import { createTableSql } from "../table-ddl.ts";
import { changeFunctions } from "./change-ddl.ts";
import { historyObjects } from "./history-ddl.ts";
import { publishObjects } from "./publish-ddl.ts";

const file = buildTestFile("kept/v1/kept", {
  enums: { Status: ["STATUS_UNSPECIFIED", "STATUS_OPEN"] },
  messages: {
    Note: {
      table: {
        name: "kept.notes",
        key: ["id"],
        history: true,
        historyRetention: { seconds: 86_400n },
        publish: true,
      },
      fields: {
        id: "string",
        text: "string",
        count: "int64",
        maybe: "optional string",
        tags: "repeated string",
        extra: ".google.protobuf.Struct",
        any: ".google.protobuf.Any",
      },
    },
    Seat: {
      table: { name: "kept.seats", key: ["login", "place", "vip", "status"], history: true, publish: true },
      fields: { login: "string", place: "uint64", vip: "bool", status: "enum Status", taken_by: "string" },
    },
    Plain: { table: { name: "kept.plain", key: ["id"] }, fields: { id: "string", text: "string" } },
  },
  methods: {},
});

const fileRegistry: FileRegistry = createFileRegistry(file, (name) =>
  testImports.find((known) => known.proto.name === name),
);

/** Tables that keep and publish their changes (notes for a day), and one that does neither. */
export const keptRegistry = withSystemTypes(fileRegistry);
export const NoteSchema: DescMessage = messageNamed("kept.v1.Note");
export const SeatSchema: DescMessage = messageNamed("kept.v1.Seat");
export const PlainSchema: DescMessage = messageNamed("kept.v1.Plain");

/** Creates the outbox and the tables of messages, with all that keeps and publishes their changes. */
export async function createKeptTables(
  database: TestDatabase,
  messages: readonly DescMessage[],
  now: Date = new Date(),
): Promise<void> {
  for (const schema of ["quartet", "kept"]) await database.query(`create schema if not exists ${schema}`);
  for (const sql of outboxSql(new Date())) await database.query(sql);
  for (const { create } of changeFunctions()) await database.query(create);
  for (const table of messages.map(tableOf)) {
    await database.query(createTableSql(table));
    const objects = [...historyObjects(table, now), ...publishObjects(table)];
    for (const { create } of objects) await database.query(create);
  }
}

function messageNamed(typeName: string): DescMessage {
  const found = fileRegistry.getMessage(typeName);
  if (found === undefined) throw new Error(`${typeName} is not in the test schema`);
  return found;
}
