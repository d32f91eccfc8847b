import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareSchemas } from "./compare-schemas.ts";
import type { SchemaFinding } from "./schema-finding.ts";
import { openTestProject, type TestProject } from "./test-project.ts";

const path = "things/v1/things.proto";
const base = `syntax = "proto3";
package things.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
import "quartet/v1/options.proto";

enum Color {
  option allow_alias = true;
  COLOR_UNSPECIFIED = 0;
  COLOR_RED = 1;
  COLOR_ROT = 1;
  COLOR_BLUE = 2;
}
enum Shade {
  SHADE_UNSPECIFIED = 0;
}
message Thing {
  option (quartet.v1.table) = {
    name: "things.things"
    key: "id"
    key: "part"
    index: {
      field: "name"
      field: "amount"
      unique: true
    }
    index: {field: "amount"}
    history: true
    publish: true
  };
  string id = 1;
  string part = 2;
  string name = 3;
  int32 amount = 4;
  optional string note = 5;
  Color color = 6;
  Place place = 7 [(quartet.v1.column) = {path: "country.code"}];
  string secret = 8 [(quartet.v1.column) = {hidden: true}];
  map<string, int32> counts = 9;
  repeated int64 sizes = 10;
  oneof way {
    string rail = 31;
    string road = 33;
  }
  reserved 20;
  reserved "gone";
}
message Place {
  message Country {
    string code = 1;
  }
  Country country = 1;
}
message Plain {
  string id = 1;
}
message Happened {
  option (quartet.v1.event) = {
    key: "id"
    aggregate_type: "happening"
  };
  string id = 1;
  string text = 2;
}
message Unkeyed {
  string id = 1;
}
service Things {
  rpc Get(Plain) returns (Thing) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {
      get: "/v1/things/{id}"
      additional_bindings {get: "/v1/old/{id=*}"}
    };
  }
  rpc Put(Thing) returns (Thing) {
    option (google.api.http) = {
      post: "/v1/things"
      body: "*"
    };
    option (quartet.v1.method) = {mode: COMMAND_MODE_DIRECT};
  }
}
`;

let project: TestProject;
let released: Uint8Array;

beforeAll(async () => {
  project = await openTestProject({ [path]: base });
  released = await project.image();
});
afterAll(() => project[Symbol.asyncDispose]());

/** The base with one text in the place of another. */
function edit(from: string, to: string): string {
  expect(base.split(from)).toHaveLength(2);
  return base.replace(from, to);
}

async function compareWith(text: string): Promise<readonly SchemaFinding[]> {
  await project.write(`proto/${path}`, text);
  return compareSchemas(await project.image(), released);
}

/** Line, from 1, of a text. */
function lineOf(text: string, mark: string): number {
  expect(text).toContain(mark);
  return text.slice(0, text.indexOf(mark)).split("\n").length;
}

interface Break {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
  /** Where it is found; the new text unless said. */
  readonly at?: string;
}

const ourBreaks: readonly Break[] = [
  { rule: "TABLE_SAME_NAME", from: '"things.things"', to: '"things.stuff"', at: 'name: "things.stuff"' },
  { rule: "TABLE_SAME_KEY", from: '    key: "part"\n', to: "", at: 'key: "id"' },
  { rule: "TABLE_SAME_KEY", from: 'key: "id"\n    key: "part"', to: 'key: "part"\n    key: "id"' },
  { rule: "TABLE_HISTORY_NO_DISABLE", from: "    history: true\n", to: "", at: "option (quartet.v1.table)" },
  { rule: "TABLE_PUBLISH_NO_DISABLE", from: "publish: true", to: "publish: false" },
  {
    rule: "COLUMN_NO_HIDE",
    from: "string name = 3;",
    to: "string name = 3 [(quartet.v1.column) = {hidden: true}];",
    at: "(quartet.v1.column) = {hidden: true}];\n  int32",
  },
  {
    rule: "COLUMN_PATH_NO_DELETE",
    from: 'path: "country.code"',
    to: "",
    at: "(quartet.v1.column) = {}",
  },
  { rule: "INDEX_UNIQUE_NO_DELETE", from: "      unique: true\n", to: "", at: "index: {" },
  { rule: "INDEX_UNIQUE_NO_DELETE", from: '      field: "amount"\n', to: "", at: "index: {" },
  { rule: "EVENT_SAME_KEY", from: 'key: "id"\n    aggregate', to: 'key: "text"\n    aggregate' },
  { rule: "EVENT_SAME_AGGREGATE_TYPE", from: '"happening"', to: '"event"', at: 'aggregate_type: "event"' },
  {
    rule: "EVENT_SAME_AGGREGATE_TYPE",
    from: "message Unkeyed {",
    to: 'message Unkeyed {\n  option (quartet.v1.event) = {aggregate_type: "x"};',
    at: "option (quartet.v1.event) = {aggregate_type",
  },
  {
    rule: "METHOD_SAME_KIND",
    from: "{mode: COMMAND_MODE_DIRECT}",
    to: "{kind: METHOD_KIND_COMPUTE}",
    at: "option (quartet.v1.method)",
  },
  {
    rule: "HTTP_SAME_PATH",
    from: 'get: "/v1/things/{id}"',
    to: 'get: "/v2/things/{id}"',
    at: "option (google.api.http)",
  },
  {
    rule: "HTTP_SAME_PATH",
    from: 'post: "/v1/things"',
    to: 'put: "/v1/things"',
    at: "option (google.api.http) = {\n      put",
  },
  {
    rule: "HTTP_SAME_PATH",
    from: '      additional_bindings {get: "/v1/old/{id=*}"}\n',
    to: "",
    at: "option (google.api.http)",
  },
  {
    rule: "HTTP_SAME_BODY",
    from: 'body: "*"',
    to: 'body: "place"',
    at: "option (google.api.http) = {\n      post",
  },
  {
    rule: "ONEOF_MEMBER_COMES_LAST",
    from: "    string road = 33;\n",
    to: "    string road = 33;\n    string air = 32;\n",
    at: "string air",
  },
  {
    rule: "ENUM_VALUE_SAME_JSON_NAME",
    from: "COLOR_RED = 1;\n  COLOR_ROT = 1;",
    to: "COLOR_ROT = 1;\n  COLOR_RED = 1;",
  },
  {
    rule: "ENUM_VALUE_SAME_JSON_NAME",
    from: "COLOR_UNSPECIFIED = 0;",
    to: "COLOR_NONE = 0;\n  COLOR_UNSPECIFIED = 0;",
  },
];

/** What buf sees in these rules, or would not see in fewer. */
const bufBreaks: readonly Break[] = [
  { rule: "FIELD_SAME_TYPE", from: "int32 amount = 4;", to: "uint32 amount = 4;" },
  { rule: "FIELD_SAME_TYPE", from: "map<string, int32>", to: "map<string, uint32>" },
  { rule: "FIELD_SAME_TYPE", from: "Color color = 6;", to: "Shade color = 6;" },
  { rule: "FIELD_SAME_CARDINALITY", from: "optional string note", to: "string note" },
  { rule: "FIELD_SAME_CARDINALITY", from: "string name = 3;", to: "optional string name = 3;" },
  { rule: "FIELD_SAME_CARDINALITY", from: "repeated int64 sizes", to: "int64 sizes" },
  {
    rule: "FIELD_SAME_ONEOF",
    from: "optional string note = 5;",
    to: "oneof x {string note = 5;}",
    at: "string note",
  },
  {
    rule: "FIELD_SAME_JSON_NAME",
    from: "note = 5;",
    to: 'note = 5 [json_name = "n"];',
    at: 'json_name = "n"',
  },
  { rule: "ENUM_VALUE_SAME_NAME", from: "SHADE_UNSPECIFIED", to: "SHADE_NONE" },
  { rule: "RESERVED_MESSAGE_NO_DELETE", from: "  reserved 20;\n", to: "", at: "message Thing" },
  { rule: "RPC_SAME_REQUEST_TYPE", from: "Put(Thing)", to: "Put(Happened)", at: "Happened) returns" },
  {
    rule: "RPC_SAME_IDEMPOTENCY_LEVEL",
    from: "NO_SIDE_EFFECTS",
    to: "IDEMPOTENT",
    at: "option idempotency_level",
  },
];

describe("compareSchemas", () => {
  test.each(ourBreaks)("finds %j, which buf does not see", async ({ rule, from, to, at = to }) => {
    const text = edit(from, to);
    expect(await compareWith(text)).toEqual([
      {
        file: path,
        line: lineOf(text, at),
        column: expect.any(Number),
        rule,
        message: expect.stringMatching(/\.$/),
        fix: expect.any(String),
      },
    ]);
  });

  test.each(bufBreaks)("finds %j, as buf does", async ({ rule, from, to, at = to }) => {
    const text = edit(from, to);
    expect(await compareWith(text)).toMatchObject([{ file: path, line: lineOf(text, at), rule }]);
  });

  test("finds a field that went without reservation, and one that took another number", async () => {
    const findings = await compareWith(edit("string name = 3;", "string name = 13;"));
    expect(findings.map(({ rule, line }) => [rule, line])).toEqual([
      ["FIELD_NO_DELETE_UNLESS_NAME_RESERVED", 17],
      ["FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", 17],
    ]);
  });

  test("finds that a message is no table any more", async () => {
    const option = base.slice(base.indexOf("  option (quartet.v1.table)"), base.indexOf("  string id = 1;"));
    expect(await compareWith(edit(option, ""))).toMatchObject([
      { rule: "TABLE_NO_DELETE", file: path, line: 17, column: 9 },
    ]);
  });

  test("finds what a message that went takes with it", async () => {
    const thing = base.slice(base.indexOf("message Thing"), base.indexOf("message Place"));
    const text = edit(thing, "").replaceAll(
      /(Get|Put)\(\w+\) returns \(Thing\)/g,
      "$1(Plain) returns (Plain)",
    );
    expect((await compareWith(text)).map(({ rule, line }) => [rule, line])).toEqual([
      ["TABLE_NO_DELETE", undefined],
      ["PACKAGE_MESSAGE_NO_DELETE", 1],
      ["PACKAGE_MESSAGE_NO_DELETE", 1], // that of the map's entries
      ["RPC_SAME_RESPONSE_TYPE", lineOf(text, "rpc Get")],
      ["RPC_SAME_REQUEST_TYPE", lineOf(text, "rpc Put")],
      ["RPC_SAME_RESPONSE_TYPE", lineOf(text, "rpc Put")],
    ]);
  });

  test.each([
    ["a field", "reserved 20;", "string more = 11;\n  reserved 20;"],
    ["a member after all others of a oneof", "string road = 33;", "string road = 33;\n    string air = 34;"],
    ["a deleted field with number and name reserved", "string name = 3;", 'reserved 3;\n  reserved "name";'],
    ["an enum value", "COLOR_BLUE = 2;", "COLOR_BLUE = 2;\n  COLOR_GREEN = 3;"],
    ["another name after an enum value's first", "COLOR_BLUE = 2;", "COLOR_BLUE = 2;\n  COLOR_BLAU = 2;"],
    ["a hidden field that comes forth", "{hidden: true}", "{hidden: false}"],
    ["a path column", 'path: "country.code"', 'path: "country.code" path: "country"'],
    ["a plain index that goes", '    index: {field: "amount"}\n', ""],
    ["a unique index that comes", "history: true", 'index: {field: "id" unique: true} history: true'],
    [
      "a unique index in another order",
      'field: "name"\n      field: "amount"',
      'field: "amount desc"\n      field: "name asc"',
    ],
    [
      "a table",
      "message Plain {",
      'message Plain {\n  option (quartet.v1.table) = {name: "things.plain" key: "id"};',
    ],
    [
      "a key of an event that had none",
      "message Unkeyed {",
      'message Unkeyed {\n  option (quartet.v1.event) = {key: "id"};',
    ],
    ["another mode of a command", "COMMAND_MODE_DIRECT", "COMMAND_MODE_ASYNC"],
    ["a path more", 'body: "*"', 'body: "*"\n      additional_bindings {put: "/v1/things" body: "*"}'],
    ["the same path in other words", "{id=*}", "{id}"],
    ["a path template's long form", '"/v1/things/{id}"', '"/v1/things/{id=*}"'],
    ["the kind a method has anyway", "{mode: COMMAND_MODE_DIRECT}", "{kind: METHOD_KIND_COMMAND}"],
    ["a comment", "message Plain {", "// Words.\nmessage Plain {"],
  ])("lets %s through", async (_, from, to) => {
    // A deleted field may not stay in an index.
    const text = edit(from, to);
    expect(await compareWith(text.includes('reserved "name"') ? withoutNameIndex(text) : text)).toMatchObject(
      text.includes('reserved "name"') ? [{ rule: "INDEX_UNIQUE_NO_DELETE" }] : [],
    );
  });

  test("lets a message move to another file of its package", async () => {
    const plain = "message Plain {\n  string id = 1;\n}\n";
    await project.write("proto/things/v1/plain.proto", `syntax = "proto3";\npackage things.v1;\n${plain}`);
    try {
      const text = edit(plain, "").replace(
        'import "quartet/v1/options.proto";',
        'import "quartet/v1/options.proto";\nimport "things/v1/plain.proto";',
      );
      expect(await compareWith(text)).toEqual([]);
    } finally {
      await project.write("proto/things/v1/plain.proto", 'syntax = "proto3";\npackage things.v1;\n');
    }
  });

  test("without source info names files, and the file that something deleted was in", async () => {
    await project.write(
      `proto/${path}`,
      edit("int32 amount = 4;", "int64 amount = 4;").replace(/message Unkeyed \{[^}]*\}/, ""),
    );
    const set = fromBinary(FileDescriptorSetSchema, await project.image());
    for (const file of set.file) file.sourceCodeInfo = undefined;
    const findings = await compareSchemas(toBinary(FileDescriptorSetSchema, set), released);
    expect(findings.map(({ fix, message, ...rest }) => rest)).toEqual([
      { file: path, rule: "FIELD_SAME_TYPE" },
      { file: path, rule: "PACKAGE_MESSAGE_NO_DELETE" },
    ]);
  });

  test("does not mind what a build uses of Google's and the platform's protos", async () => {
    const set = fromBinary(FileDescriptorSetSchema, released);
    const unused = /^google\/|^quartet\/v1\/(?!options)/;
    const used = {
      ...set,
      file: set.file.filter(
        ({ name }) =>
          !unused.test(name) || /^google\/(api|protobuf\/(descriptor|duration|timestamp))/.test(name),
      ),
    };
    const less = toBinary(FileDescriptorSetSchema, used);
    expect(await compareSchemas(less, released)).toEqual([]);
    expect(await compareSchemas(released, less)).toEqual([]);
  });

  test("minds the platform's messages", async () => {
    const set = fromBinary(FileDescriptorSetSchema, released);
    const record = set.file
      .flatMap(({ messageType }) => messageType)
      .find(({ name }) => name === "OperationRecord");
    const field = record?.field[0];
    if (field === undefined) throw new Error("there is no field");
    field.number = 999;
    const findings = await compareSchemas(toBinary(FileDescriptorSetSchema, set), released);
    expect(findings.map(({ file, rule }) => `${file} ${rule}`)).toContain(
      "quartet/v1/operation.proto FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED",
    );
  });

  test.each([
    ["no bytes", new Uint8Array()],
    ["bytes of something else", Buffer.from("version https://git-lfs.github.com/spec/v1\n")],
  ])("refuses %s for an image", async (_, bytes) => {
    await expect(compareSchemas(released, bytes)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(/^The previous schema is no schema image: /),
    });
  });
});

/** The base's unique index on a name names the amount alone. */
function withoutNameIndex(text: string): string {
  return text.replace('      field: "name"\n', "");
}
