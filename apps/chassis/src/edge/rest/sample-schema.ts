import { create, createFileRegistry, type DescMessage } from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import {
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/** Messages for the tests of this folder, with every kind of field, built without a code generator. */
const WELL_KNOWN = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

const SCALARS: Readonly<Record<string, Type>> = {
  string: Type.STRING,
  bytes: Type.BYTES,
  bool: Type.BOOL,
  int32: Type.INT32,
  uint32: Type.UINT32,
  int64: Type.INT64,
  uint64: Type.UINT64,
  float: Type.FLOAT,
  double: Type.DOUBLE,
};

const file = create(FileDescriptorProtoSchema, {
  name: "sample/v1/sample.proto",
  package: "sample.v1",
  syntax: "proto3",
  dependency: WELL_KNOWN.map((known) => known.proto.name),
  enumType: [
    {
      name: "Status",
      value: [
        { name: "STATUS_UNSPECIFIED", number: 0 },
        { name: "STATUS_OPEN", number: 1 },
        { name: "STATUS_CLOSED", number: 2 },
      ],
    },
  ],
  messageType: [
    {
      name: "Item",
      field: [
        field("sku", 1, "string"),
        field("unit_quantity", 2, "int32"),
        field("parts", 3, "repeated .sample.v1.Item"),
      ],
    },
    {
      name: "Order",
      field: [
        field("order_id", 1, "string"),
        field("name", 2, "string"),
        field("page_size", 3, "int32"),
        field("count", 4, "uint32"),
        field("big", 5, "int64"),
        field("ubig", 6, "uint64"),
        field("ratio", 7, "double"),
        field("weight", 8, "float"),
        field("express", 9, "bool"),
        field("blob", 10, "bytes"),
        field("status", 11, "enum .sample.v1.Status"),
        field("tags", 12, "repeated string"),
        field("numbers", 13, "repeated int32"),
        field("statuses", 14, "repeated enum .sample.v1.Status"),
        field("item", 15, ".sample.v1.Item"),
        field("items", 16, "repeated .sample.v1.Item"),
        field("labels", 17, "repeated .sample.v1.Order.LabelsEntry"),
        field("item_by_id", 18, "repeated .sample.v1.Order.ItemByIdEntry"),
        field("place_time", 19, ".google.protobuf.Timestamp"),
        field("wait", 20, ".google.protobuf.Duration"),
        field("mask", 21, ".google.protobuf.FieldMask"),
        field("nickname", 22, ".google.protobuf.StringValue"),
        field("limit", 23, ".google.protobuf.Int64Value"),
        field("extra", 24, ".google.protobuf.Struct"),
        field("times", 25, "repeated .google.protobuf.Timestamp"),
        create(FieldDescriptorProtoSchema, {
          ...field("note", 26, "string"),
          proto3Optional: true,
          oneofIndex: 2,
        }),
        create(FieldDescriptorProtoSchema, { ...field("card", 27, "string"), oneofIndex: 0 }),
        create(FieldDescriptorProtoSchema, { ...field("voucher", 28, ".sample.v1.Item"), oneofIndex: 0 }),
        field("constructor", 29, "string"),
        field("any", 30, ".google.protobuf.Any"),
        field("value", 31, ".google.protobuf.Value"),
        create(FieldDescriptorProtoSchema, {
          ...field("maybe", 32, "enum .sample.v1.Status"),
          oneofIndex: 1,
        }),
      ],
      nestedType: [
        mapEntry("LabelsEntry", "string", "string"),
        mapEntry("ItemByIdEntry", "int32", ".sample.v1.Item"),
      ],
      oneofDecl: [{ name: "payment" }, { name: "choice" }, { name: "_note" }],
    },
  ],
});

export const sampleRegistry = createFileRegistry(file, (name) =>
  WELL_KNOWN.find((known) => known.proto.name === name),
);

export const OrderSchema: DescMessage = messageNamed("sample.v1.Order");

function messageNamed(typeName: string): DescMessage {
  const found = sampleRegistry.getMessage(typeName);
  if (found === undefined) throw new Error(`${typeName} is not in the sample`);
  return found;
}

/** `type` reads `[repeated] (scalar | .message | enum .type)`. */
function field(name: string, number: number, type: string): FieldDescriptorProto {
  const jsonName = protoCamelCase(name); // Compilers fill it in; createFileRegistry does not.
  const repeated = type.startsWith("repeated ");
  const bare = type.replace("repeated ", "");
  const scalar = SCALARS[bare];
  const label = repeated ? Label.REPEATED : Label.OPTIONAL;
  if (scalar !== undefined)
    return create(FieldDescriptorProtoSchema, { name, jsonName, number, label, type: scalar });
  const isEnum = bare.startsWith("enum ");
  return create(FieldDescriptorProtoSchema, {
    name,
    jsonName,
    number,
    label,
    type: isEnum ? Type.ENUM : Type.MESSAGE,
    typeName: bare.replace("enum ", ""),
  });
}

function mapEntry(name: string, key: string, value: string) {
  return { name, field: [field("key", 1, key), field("value", 2, value)], options: { mapEntry: true } };
}
