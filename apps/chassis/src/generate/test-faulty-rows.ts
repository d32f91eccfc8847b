import { type FaultyProto, fields, many, table } from "./test-faulty-proto.ts";

/** Histories, rows that JSON cannot hold, and tables that are faulty together. */
export const faultyRows: readonly FaultyProto[] = [
  // History.
  {
    title: "retention without history",
    body: table("history_retention: {»seconds: 1}"),
    faults: ["M: history_retention is set, history is not"],
  },
  {
    title: "retention of nothing",
    body: table("history: true\n    history_retention: {»seconds: 0}"),
    faults: ["M: history_retention is not positive"],
  },
  {
    title: "history of 31 key columns",
    body: `message M {\n  option (quartet.v1.table) = {\n    name: "x.m"\n    ${many(31, (index) => `key: "f${index}"`)}\n    »history: true\n  };\n  ${many(31, (index) => `string f${index} = ${index + 1};`)}\n}`,
    faults: ["M: the key has 31 columns, and a history takes 30"],
  },
  // JSON.
  {
    title: "required field",
    syntax: 'syntax = "proto2"',
    body: `message Holder {\n  option (quartet.v1.table) = {name: "x.m" »key: "id"};\n  optional string id = 1;\n  repeated Part parts = 2;\n}\nmessage Part {\n  required string »name = 1;\n}`,
    faults: [
      'Holder: key field "id" is not a plain scalar: "optional", a oneof or the edition lets it be absent, and a key never is',
      'Part: field "name" is required, and rows from before it could not be written again',
    ],
  },
  {
    title: "required by edition",
    syntax: 'edition = "2023"',
    body: fields(
      "string id = 1 [features.field_presence = IMPLICIT];\n  string »name = 2 [features.field_presence = LEGACY_REQUIRED];",
    ),
    faults: ['M: field "name" is required, and rows from before it could not be written again'],
  },
  {
    title: "message set",
    syntax: 'syntax = "proto2"',
    body: `message M {\n  option (quartet.v1.table) = {name: "x.m" »key: "id"};\n  optional string id = 1;\n  optional Old old = 2;\n}\nmessage »Old {\n  option message_set_wire_format = true;\n  extensions 4 to max;\n}`,
    faults: [
      'M: key field "id" is not a plain scalar: "optional", a oneof or the edition lets it be absent, and a key never is',
      "Old: a message set has no JSON, so no table can hold it",
    ],
  },
  {
    title: "json name with nul",
    body: fields('string id = 1;\n  string text = 2 [»json_name = "a\\0b"];'),
    faults: ['M: field "text" has the JSON name "a\\u0000b", which jsonb or JavaScript cannot hold'],
  },
  {
    title: "json name of nothing",
    body: fields('string id = 1;\n  string text = 2 [»json_name = ""];'),
    faults: ['M: field "text" has the JSON name "", which jsonb or JavaScript cannot hold'],
  },
  {
    title: "json name of another",
    body: fields('string id = 1;\n  string a = 2 [json_name = "b"];\n  string b = 3 [»json_name = "a"];'),
    faults: ['M: fields "a" and "b" share "b" as a name in JSON'],
  },
  {
    title: "json name of the past",
    syntax: 'edition = "2023"',
    body: `message M {\n  option (quartet.v1.table) = {name: "x.m" key: "id"};\n  option deprecated_legacy_json_field_conflicts = true;\n  option features.json_format = LEGACY_BEST_EFFORT;\n  string id = 1 [features.field_presence = IMPLICIT];\n  string foo_bar = 2;\n  string »fooBar = 3;\n}`,
    faults: ['M: fields "foo_bar" and "fooBar" share "fooBar" as a name in JSON'],
  },
  // Tables together.
  {
    title: "two of one name",
    body: 'message A {\n  option (quartet.v1.table) = {name: "two.t" key: "id"};\n  string id = 1;\n}\nmessage B {\n  option (quartet.v1.table) = {»name: "two.t" key: "id"};\n  string id = 1;\n}',
    faults: ['B: table "two.t" is that of two_of_one_name.v1.A too'],
  },
  {
    title: "nested tables",
    body: 'message A {\n  map<string, string> map = 1;\n  message B {\n    message C {\n      option (quartet.v1.table) = {name: "nested.t" key: "id"};\n      string id = 1;\n      double »version = 2;\n    }\n  }\n}',
    faults: ['A.B.C: field "version" is a reserved column'],
  },
  {
    title: "indexes of one name",
    body: 'message A {\n  option (quartet.v1.table) = {name: "clash.a" key: "id" index: {field: "b_c"}};\n  string id = 1;\n  string b_c = 2;\n}\nmessage B {\n  option (quartet.v1.table) = {\n    name: "clash.a_b"\n    key: "id"\n    index: {field: "d"}\n    »index: {field: "c"}\n  };\n  string id = 1;\n  string c = 2;\n  string d = 3;\n}',
    faults: [
      'B: its index "a_b_c_idx" has the name of the index of indexes_of_one_name.v1.A: order one of its fields "desc", and the name is another',
    ],
  },
  {
    title: "table named as a view",
    body: 'message A {\n  option (quartet.v1.table) = {name: "view.a" key: "id"};\n  string id = 1;\n}\nmessage B {\n  option (quartet.v1.table) = {»name: "view.a_view" key: "id"};\n  string id = 1;\n}',
    faults: ['B: table "view.a_view" has the name of the view of table_named_as_a_view.v1.A'],
  },
  {
    title: "table named as a primary key",
    body: 'message B {\n  option (quartet.v1.table) = {name: "pkey.a_pkey" key: "id"};\n  string id = 1;\n}\nmessage A {\n  option (quartet.v1.table) = {»name: "pkey.a" key: "id"};\n  string id = 1;\n}',
    faults: ['A: its primary key "a_pkey" has the name of the table of table_named_as_a_primary_key.v1.B'],
  },
  {
    title: "table named as a partition",
    body: 'message A {\n  option (quartet.v1.table) = {name: "past.a" key: "id" history: true};\n  string id = 1;\n}\nmessage B {\n  option (quartet.v1.table) = {»name: "past.a_history_2026_01" key: "id"};\n  string id = 1;\n}\nmessage C {\n  option (quartet.v1.table) = {name: "past.a_history_book" key: "id"};\n  string id = 1;\n}',
    faults: [
      'B: table "past.a_history_2026_01" has a name that the history of table_named_as_a_partition.v1.A needs',
    ],
  },
];
