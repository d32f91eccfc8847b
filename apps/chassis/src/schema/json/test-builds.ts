import { createFileRegistry, type DescMessage, type FileRegistry } from "@bufbuild/protobuf";
import { buildTestFile, type TestFile, testImports } from "../test-file.ts";

/** One build's messages, by their short names. */
export interface TestBuild {
  readonly registry: FileRegistry;
  message(name: string): DescMessage;
}

/** A build of the package `shop.v1` whose protos are these. Two of them are two builds of one service. */
export function testBuild(parts: Omit<TestFile, "methods">): TestBuild {
  const file = buildTestFile("shop/v1/builds", { ...parts, methods: {} });
  const registry = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
  return {
    registry,
    message: (name) => {
      const found = registry.getMessage(`shop.v1.${name}`);
      if (found === undefined) throw new Error(`${name} is not in this build`);
      return found;
    },
  };
}

const kinds = ["KIND_UNSPECIFIED", "KIND_PLAIN", "KIND_RUSH"];
const lineFields = { sku: "string", quantity: "int32", kind: "enum Kind", parts: "repeated .shop.v1.Line" };
/** What the old build knows of an order. */
export const oldFields = {
  order_id: "string",
  kind: "enum Kind",
  kinds: "repeated enum Kind",
  kind_of: "map string enum Kind",
  card: "oneof payment string",
  promise: "oneof payment enum Kind",
  voucher: "oneof payment .shop.v1.Line",
  line: ".shop.v1.Line",
  lines: "repeated .shop.v1.Line",
  returned: "repeated .shop.v1.Line",
  line_of: "map string .shop.v1.Line",
  extra: ".google.protobuf.Any",
  extras: "repeated .google.protobuf.Any",
  extra_of: "map string .google.protobuf.Any",
  note: "optional string",
};
const table = { name: "test.orders", key: ["order_id"] };

/** A build, and one that came after it: new fields, enum values, members of a oneof and a new message. */
export const oldBuild = testBuild({
  enums: { Kind: kinds },
  messages: { Line: { fields: lineFields }, Order: { table, fields: oldFields } },
});
export const newBuild = testBuild({
  enums: { Kind: [...kinds, "KIND_FUTURE"] },
  messages: {
    Line: { fields: { ...lineFields, engraving: "string" } },
    Order: {
      table,
      fields: {
        ...oldFields,
        crypto: "oneof payment string",
        loan: "oneof payment .shop.v1.Line",
        gift: ".shop.v1.Gift",
      },
    },
    Gift: { fields: { text: "string", inner: ".google.protobuf.Any" } },
  },
});
