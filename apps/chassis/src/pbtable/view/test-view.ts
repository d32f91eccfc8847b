import { createFileRegistry, type DescMessage } from "@bufbuild/protobuf";
import type { TestDatabase } from "../../cluster/postgres/test-database.ts";
import { tableOf } from "../../schema/table/table.ts";
import { buildTestFile, testImports } from "../../schema/test-file.ts";
import { createTables } from "../test-table.ts";
import { viewObjects } from "./view-ddl.ts";

/** Creates the tables of messages with their relational views. */
export async function createViews(database: TestDatabase, messages: readonly DescMessage[]): Promise<void> {
  await createTables(database, messages);
  for (const { create } of messages.flatMap((message) => viewObjects(tableOf(message), []))) {
    await database.query(create);
  }
}

/** The message `Row` of a file, at table `test.rows` with key `id`, beside a message `Address`. */
export function rowMessage(fields: Readonly<Record<string, string>>): DescMessage {
  const file = buildTestFile("view/v1/view", {
    enums: { Status: ["STATUS_UNSPECIFIED", "STATUS_OPEN"] },
    messages: {
      Row: { table: { name: "test.rows", key: ["id"] }, fields },
      Address: { fields: { city: "string", country: "optional string" } },
    },
    methods: {},
  });
  const registry = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
  const found = registry.getMessage("view.v1.Row");
  if (found === undefined) throw new Error("the file has no Row");
  return found;
}

/** The SQLSTATE and message of the error that a statement ends with. */
export async function faultOf(
  statement: Promise<unknown>,
): Promise<{ readonly code: unknown; readonly message: string } | undefined> {
  try {
    await statement;
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { code: "code" in error ? error.code : undefined, message: error.message };
  }
}
