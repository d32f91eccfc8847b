import { createFileRegistry, createRegistry } from "@bufbuild/protobuf";
import type { TestDatabase } from "../cluster/postgres/test-database.ts";
import { testPassword } from "../cluster/postgres/test-database.ts";
import { IndexKind } from "../gen/quartet/v1/options_pb.ts";
import { buildTestFile, type TestMessage, testImports } from "../schema/test-file.ts";
import { lonelyMessage, testRegistry } from "../schema/test-schema.ts";
import { type Domain, defineDomain } from "../service/domain.ts";
import { createLoginSql, type groupRoles } from "./roles-ddl.ts";

/** A domain of the test schema's tables, without methods. */
export const testDomain: Domain = defineDomain({
  name: "test",
  schema: testRegistry,
  services: [],
  writes: [],
});

/** A domain of one table, `lonely.things` with the key `id`, as one build or another has it. */
export function lonelyDomain(
  fields: Readonly<Record<string, string>>,
  index: { field: string[]; unique?: boolean }[] = [],
): Domain {
  const message = lonelyMessage({ name: "lonely.things", key: ["id"], index }, { id: "string", ...fields });
  return defineDomain({ name: "lonely", schema: createRegistry(message), services: [], writes: [] });
}

const ruledLater = {
  label: "string",
  line: ".ruled.v1.Line path=sku",
  tags: "repeated string",
};

/**
 * A domain of one table, `ruled.things`, that has all a table can have. The later build has more columns, indexes and a
 * larger view.
 */
export function ruledDomain(build: "first" | "later"): Domain {
  const later = build === "later";
  const laterIndexes = [
    { field: ["line_sku desc", "id"] },
    { field: ["tags"], kind: IndexKind.GIN },
    { field: ["label"], where: [{ field: "label", test: { case: "notEquals" as const, value: "" } }] },
  ];
  const things: TestMessage = {
    table: {
      name: "ruled.things",
      key: ["tenant", "id"],
      index: [
        { field: ["amount"] },
        { field: ["tenant", "note"], unique: true },
        ...(later ? laterIndexes : []),
      ],
      history: true,
      publish: true,
    },
    fields: {
      tenant: "string",
      id: "string",
      amount: "int64",
      note: "string",
      at: ".google.protobuf.Timestamp",
      ...(later ? ruledLater : {}),
    },
  };
  const file = buildTestFile("ruled/v1/ruled", {
    enums: {},
    messages: { Thing: things, Line: { fields: { sku: "string" } } },
    methods: {},
  });
  const schema = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
  return defineDomain({ name: "ruled", schema, services: [], writes: [] });
}

/** Creates a login of a group for the tests' password, and gives its name. */
export async function createTestLogin(
  database: TestDatabase,
  role: (typeof groupRoles)[number],
  login: string,
): Promise<string> {
  const client = await database.connect();
  await client.query(createLoginSql(login, testPassword, role));
  return login;
}
