import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescMethod,
  type FileRegistry,
  type Message,
} from "@bufbuild/protobuf";
import { buildTestFile, testImports } from "./test-file.ts";

/** Every kind of scalar, by its name in a proto file. */
const scalarNames = [
  "double",
  "float",
  "int32",
  "sint32",
  "sfixed32",
  "uint32",
  "fixed32",
  "int64",
  "sint64",
  "sfixed64",
  "uint64",
  "fixed64",
  "bool",
  "string",
  "bytes",
] as const;

/** Every well-known type that ProtoJSON writes as a scalar. */
const wellKnownNames = [
  "Timestamp",
  "Duration",
  "FieldMask",
  "StringValue",
  "BytesValue",
  "BoolValue",
  "Int32Value",
  "UInt32Value",
  "Int64Value",
  "UInt64Value",
  "FloatValue",
  "DoubleValue",
] as const;

const scalarFields = Object.fromEntries(scalarNames.map((name) => [`f_${name}`, name]));
const optionalFields = Object.fromEntries(scalarNames.map((name) => [`o_${name}`, `optional ${name}`]));
const wellKnownFields = Object.fromEntries(
  wellKnownNames.map((name) => [`w_${name.toLowerCase()}`, `.google.protobuf.${name}`]),
);

const file = buildTestFile("test/v1/test", {
  enums: { Status: ["STATUS_UNSPECIFIED", "STATUS_OPEN", "STATUS_CLOSED"] },
  messages: {
    Line: {
      fields: { sku: "string", quantity: "int64", parts: "repeated .test.v1.Line", status: "enum Status" },
    },
    Everything: {
      table: { name: "test.everything", key: ["id"] },
      fields: {
        id: "string",
        ...scalarFields,
        ...optionalFields,
        ...wellKnownFields,
        status: "enum Status",
        maybe_status: "optional enum Status",
        card: "oneof payment string",
        cents: "oneof payment int64",
        voucher: "oneof payment .test.v1.Line",
        line: ".test.v1.Line",
        lines: "repeated .test.v1.Line",
        tags: "repeated string",
        statuses: "repeated enum Status",
        labels: "map string string",
        line_of: "map string .test.v1.Line",
        extra: ".google.protobuf.Struct",
        any: ".google.protobuf.Any",
      },
    },
    Pair: {
      table: {
        name: "test.pairs",
        key: ["tenant", "number"],
        index: [{ field: ["label"] }, { field: ["tenant", "label"], unique: true }],
      },
      fields: { tenant: "string", number: "int64", label: "string", secret: "hidden string" },
    },
    Keyed: {
      table: { name: "test.keyed", key: ["big", "flag", "status", "small"] },
      fields: { big: "uint64", flag: "bool", status: "enum Status", small: "int32", text: "string" },
    },
    Placed: { event: { key: "number", aggregateType: "order" }, fields: { number: "int64" } },
    Noted: { fields: { text: "string" } },
    Lost: { event: { key: "lines" }, fields: { lines: "repeated string" } },
    Counter: { table: { name: "test.counters", key: ["id"] }, fields: { id: "int64", value: "int64" } },
  },
  methods: {
    GetThing: { idempotent: true, http: { get: "/v1/things/{id}", additional: ["/v1/also/{id}"] } },
    MakeThing: { http: { post: "/v1/things", body: "*" } },
    Weigh: { kind: 3 },
    ReadAll: { kind: 1 },
    Commit: { kind: 2, idempotent: true, mode: 1 },
    Offload: { mode: 2 },
    Later: { mode: 3 },
  },
});

/** Messages for the tests, with every kind of field, built without a code generator. */
export const testRegistry: FileRegistry = createFileRegistry(file, (name) =>
  testImports.find((known) => known.proto.name === name),
);

export const EverythingSchema: DescMessage = messageNamed("test.v1.Everything");
export const PairSchema: DescMessage = messageNamed("test.v1.Pair");
export const KeyedSchema: DescMessage = messageNamed("test.v1.Keyed");
export const CounterSchema: DescMessage = messageNamed("test.v1.Counter");
export const PlacedSchema: DescMessage = messageNamed("test.v1.Placed");
export const NotedSchema: DescMessage = messageNamed("test.v1.Noted");
export const LostSchema: DescMessage = messageNamed("test.v1.Lost");
export const LineSchema: DescMessage = messageNamed("test.v1.Line");

/** A method of the test service. */
export function testMethod(name: string): DescMethod {
  const found = testRegistry.getService("test.v1.Things")?.methods.find((method) => method.name === name);
  if (found === undefined) throw new Error(`${name} is no method of the test service`);
  return found;
}

/** A message whose fields may be set by name, since these descriptors have no generated types. */
export type LooseMessage = Message & Record<string, unknown>;

/** Makes a message from its local field names. */
export function make(desc: DescMessage, init: Record<string, unknown>): LooseMessage {
  return create(desc, init) as LooseMessage;
}

/** A message that is the only one of its file, for tables that are wrong on purpose. */
export function lonelyMessage(
  table: { name: string; key?: string[]; index?: { field: string[]; unique?: boolean }[] } | undefined,
  fields: Readonly<Record<string, string>>,
): DescMessage {
  const lonely = buildTestFile("lonely/v1/lonely", {
    enums: { Status: ["STATUS_UNSPECIFIED"] },
    messages: { Lonely: { table, fields } },
    methods: {},
  });
  const registry = createFileRegistry(lonely, (name) =>
    testImports.find((known) => known.proto.name === name),
  );
  const found = registry.getMessage("lonely.v1.Lonely");
  if (found === undefined) throw new Error("the file has no message");
  return found;
}

function messageNamed(typeName: string): DescMessage {
  const found = testRegistry.getMessage(typeName);
  if (found === undefined) throw new Error(`${typeName} is not in the test schema`);
  return found;
}
