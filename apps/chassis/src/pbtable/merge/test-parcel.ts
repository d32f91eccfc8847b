import {
  create,
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  setExtension,
} from "@bufbuild/protobuf";
import { FieldOptionsSchema } from "@bufbuild/protobuf/wkt";
import { ColumnOptionsSchema, column, IndexKind } from "../../gen/quartet/v1/options_pb.ts";
import { tableOf } from "../../schema/table/table.ts";
import { buildTestFile, testImports } from "../../schema/test-file.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import { TableWriter } from "../table-writer.ts";

const file = buildTestFile("parcel/v1/parcel", {
  enums: { Status: ["STATUS_UNSPECIFIED", "STATUS_OPEN", "STATUS_CLOSED"] },
  messages: {
    Parcel: {
      table: {
        name: "test.parcels",
        key: ["tenant", "number"],
        index: [
          { field: ["label"] },
          { field: ["sent_time desc"] },
          { field: ["weight"], where: [{ field: "status", test: { case: "equals", value: "STATUS_OPEN" } }] },
          { field: ["rank", "label desc"] },
          { field: ["address_country"] },
          { field: ["tags"], kind: IndexKind.GIN },
          { field: ["lines"], kind: IndexKind.GIN },
        ],
      },
      fields: {
        tenant: "string",
        number: "int64",
        label: "string",
        status: "enum Status",
        weight: "double",
        sent_time: ".google.protobuf.Timestamp",
        took: ".google.protobuf.Duration",
        rank: "optional int32",
        nick: ".google.protobuf.StringValue",
        fragile: "bool",
        digest: "bytes",
        big: "uint64",
        small: "float",
        card: "oneof payment string",
        cents: "oneof payment int64",
        tags: "repeated string",
        lines: "repeated .parcel.v1.Line",
        attributes: "map string string",
        address: ".parcel.v1.Address",
        secret: "hidden string",
      },
    },
    Line: {
      fields: { sku: "string", quantity: "int64", status: "enum Status", parts: "repeated .parcel.v1.Line" },
    },
    Address: { fields: { country: "string", city: "string" } },
  },
  methods: {},
});
const address = file.messageType[0]?.field.find((field) => field.name === "address");
if (address !== undefined) {
  address.options = create(FieldOptionsSchema);
  setExtension(address.options, column, create(ColumnOptionsSchema, { path: ["country"] }));
}

export const parcelRegistry: FileRegistry = createFileRegistry(file, (name) =>
  testImports.find((known) => known.proto.name === name),
);

/** A table with a composite key, an index of every kind and a path column. */
export const ParcelSchema: DescMessage = messageNamed("parcel.v1.Parcel");
export const ParcelLineSchema: DescMessage = messageNamed("parcel.v1.Line");

export function parcelWriter(client: SqlClient): TableWriter<DescMessage> {
  return new TableWriter(tableOf(ParcelSchema), client, parcelRegistry);
}

function messageNamed(typeName: string): DescMessage {
  const found = parcelRegistry.getMessage(typeName);
  if (found === undefined) throw new Error(`${typeName} is not in the test schema`);
  return found;
}
