import { create, type DescFile, type MessageInitShape, setExtension } from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FieldDescriptorProto_Label as Label,
  MessageOptionsSchema,
  MethodDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel,
  MethodOptionsSchema,
  OneofDescriptorProtoSchema,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { http } from "../gen/google/api/annotations_pb.ts";
import { HttpRuleSchema } from "../gen/google/api/http_pb.ts";
import * as options from "../gen/quartet/v1/options_pb.ts";

/** A proto file in short: fields read `[repeated | optional | hidden | oneof NAME] (scalar | enum NAME | .message)` or
 * `map KEY VALUE`, then if wanted `hidden`, `path=a,b.c` (path columns), `json=NAME` (the JSON name, as encodeURIComponent
 * writes it); they are numbered in order. */
export interface TestFile {
  readonly enums: Readonly<Record<string, readonly string[]>>;
  readonly messages: Readonly<Record<string, TestMessage>>;
  readonly methods: Readonly<Record<string, TestMethod>>;
}

export interface TestMessage {
  readonly table?: MessageInitShape<typeof options.TableOptionsSchema> | undefined;
  readonly event?: { key?: string; aggregateType?: string };
  readonly fields: Readonly<Record<string, string>>;
}

interface TestMethod {
  readonly kind?: options.MethodKind;
  readonly mode?: options.CommandMode;
  readonly consistency?: options.Consistency;
  readonly idempotent?: boolean;
  readonly http?: { get?: string; post?: string; body?: string; additional?: string[] };
}

/** The files that test files import. */
export const testImports: readonly DescFile[] = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

/** Builds a proto3 file; its package is the folder of `path`. The first message is the input of every method. */
export function buildTestFile(path: string, parts: TestFile): FileDescriptorProto {
  const pkg = path.split("/").slice(0, -1).join(".");
  const [first = ""] = Object.keys(parts.messages);
  return create(FileDescriptorProtoSchema, {
    name: `${path}.proto`,
    package: pkg,
    syntax: "proto3",
    dependency: testImports.map((known) => known.proto.name),
    enumType: Object.entries(parts.enums).map(([name, values]) => ({
      name,
      value: values.map((value, number) => ({ name: value, number })),
    })),
    messageType: Object.entries(parts.messages).map(([name, message]) => buildMessage(pkg, name, message)),
    service: [
      {
        name: "Things",
        method: Object.entries(parts.methods).map(([name, method]) =>
          create(MethodDescriptorProtoSchema, {
            name,
            inputType: `.${pkg}.${first}`,
            outputType: `.${pkg}.${first}`,
            options: methodOptions(method),
          }),
        ),
      },
    ],
  });
}

function methodOptions(method: TestMethod) {
  const result = create(MethodOptionsSchema, {
    idempotencyLevel: method.idempotent
      ? MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS
      : MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN,
  });
  const { kind = 0, mode = 0, consistency = 0 } = method;
  setExtension(result, options.method, create(options.MethodOptionsSchema, { kind, mode, consistency }));
  if (method.http === undefined) return result;
  const { get, post, body = "", additional = [] } = method.http;
  const pattern = get !== undefined ? { case: "get" as const, value: get } : undefined;
  setExtension(
    result,
    http,
    create(HttpRuleSchema, {
      pattern: pattern ?? { case: "post", value: post ?? "" },
      body,
      additionalBindings: additional.map((value) =>
        create(HttpRuleSchema, { pattern: { case: "get", value } }),
      ),
    }),
  );
  return result;
}

function buildMessage(pkg: string, name: string, message: TestMessage): DescriptorProto {
  const built = create(DescriptorProtoSchema, { name, options: create(MessageOptionsSchema) });
  const specs = Object.entries(message.fields);
  const oneofs = new Set(specs.flatMap(([, spec]) => /^oneof (\S+)/.exec(spec)?.[1] ?? []));
  const synthetic = specs.filter(([, spec]) => spec.startsWith("optional ")).map(([field]) => `_${field}`);
  const oneofNames = [...oneofs, ...synthetic];
  for (const [index, [fieldName, spec]] of specs.entries()) {
    built.field.push(buildField(built, { pkg, name: fieldName, number: index + 1, spec, oneofNames }));
  }
  built.oneofDecl = oneofNames.map((oneof) => create(OneofDescriptorProtoSchema, { name: oneof }));
  if (message.table !== undefined && built.options !== undefined) {
    setExtension(built.options, options.table, create(options.TableOptionsSchema, message.table));
  }
  if (message.event !== undefined && built.options !== undefined) {
    setExtension(built.options, options.event, create(options.EventOptionsSchema, message.event));
  }
  return built;
}

interface FieldParts {
  readonly pkg: string;
  readonly name: string;
  readonly number: number;
  readonly spec: string;
  readonly oneofNames: readonly string[];
}

function buildField(owner: DescriptorProto, parts: FieldParts): FieldDescriptorProto {
  const words = parts.spec.split(" ").filter((word) => !word.includes("="));
  const jsonName = settingOf(parts.spec, "json");
  const [first = ""] = words;
  const prefixed = ["repeated", "optional", "hidden"].includes(first);
  const type = words.slice(first === "oneof" ? 2 : prefixed ? 1 : 0);
  const field = create(FieldDescriptorProtoSchema, {
    name: parts.name,
    // Compilers fill it in; createFileRegistry does not.
    jsonName: jsonName === undefined ? protoCamelCase(parts.name) : decodeURIComponent(jsonName),
    number: parts.number,
    label: first === "repeated" || first === "map" ? Label.REPEATED : Label.OPTIONAL,
    ...(first === "map" ? mapType(owner, parts) : typeOf(parts.pkg, type)),
  });
  if (first === "oneof") field.oneofIndex = parts.oneofNames.indexOf(words[1] ?? "");
  if (first === "optional") {
    field.proto3Optional = true;
    field.oneofIndex = parts.oneofNames.indexOf(`_${parts.name}`);
  }
  const hidden = words.includes("hidden");
  const path = settingOf(parts.spec, "path")?.split(",") ?? [];
  if (hidden || path.length > 0) {
    field.options = create(FieldOptionsSchema);
    setExtension(field.options, options.column, create(options.ColumnOptionsSchema, { hidden, path }));
  }
  return field;
}

function settingOf(spec: string, name: string): string | undefined {
  return new RegExp(` ${name}=(\\S+)`).exec(spec)?.[1];
}

function typeOf(pkg: string, [word = "", name = ""]: readonly string[]) {
  if (word === "enum") return { type: Type.ENUM, typeName: name.startsWith(".") ? name : `.${pkg}.${name}` };
  if (word.startsWith(".")) return { type: Type.MESSAGE, typeName: word };
  const scalars: Readonly<Record<string, unknown>> = Type;
  return { type: scalars[word.toUpperCase()] as Type };
}

function mapType(owner: DescriptorProto, { pkg, name, number, spec }: FieldParts) {
  const [, key = "", ...value] = spec.split(" ").filter((word) => !word.includes("="));
  const plain = `${name[0]?.toUpperCase()}${protoCamelCase(name).slice(1)}Entry`;
  const entry = owner.nestedType.some((other) => other.name === plain) ? `${plain}${number}` : plain;
  owner.nestedType.push(
    create(DescriptorProtoSchema, {
      name: entry,
      field: [
        { name: "key", jsonName: "key", number: 1, label: Label.OPTIONAL, ...typeOf(pkg, [key]) },
        { name: "value", jsonName: "value", number: 2, label: Label.OPTIONAL, ...typeOf(pkg, value) },
      ],
      options: { mapEntry: true },
    }),
  );
  return { type: Type.MESSAGE, typeName: `.${pkg}.${owner.name}.${entry}` };
}
