import { type FaultyProto, fields, keyed, many, named } from "./test-faulty-proto.ts";

/** Names, keys and columns that make no table. */
export const faultyNames: readonly FaultyProto[] = [
  // Names.
  {
    title: "no name",
    body: 'message M {\n  option »(quartet.v1.table) = {key: "id"};\n  string id = 1;\n}',
    faults: ['M: table name "" is not of the form "schema.table"'],
  },
  {
    title: "name without schema",
    body: named("things"),
    faults: ['M: table name "things" is not of the form "schema.table"'],
  },
  {
    title: "name of three parts",
    body: named("a.b.c"),
    faults: ['M: table name "a.b.c" is not of the form "schema.table"'],
  },
  {
    title: "name with white space",
    body: named("x.a as b"),
    faults: ['M: table name "x.a as b" holds white space or a control character'],
  },
  {
    title: "table too long",
    body: named(`x.${"t".repeat(48)}`),
    faults: [
      `M: table "${"t".repeat(48)}" is too long for the names of its view and history in SQL: use 47 bytes at most`,
    ],
  },
  {
    title: "schema too long",
    body: named(`${"é".repeat(32)}.t`),
    faults: [`M: schema "${"é".repeat(32)}" is too long for a name in SQL: 64 bytes, and Postgres keeps 63`],
  },
  {
    title: "schema of the platform",
    body: named("quartet.t"),
    faults: ['M: schema "quartet" is for the platform\'s own tables'],
  },
  {
    title: "schema of postgres",
    body: named("pg_temp.t"),
    faults: ['M: schema "pg_temp" belongs to Postgres'],
  },
  {
    title: "schema of the standard",
    body: named("information_schema.t"),
    faults: ['M: schema "information_schema" belongs to Postgres'],
  },
  // Keys.
  {
    title: "no key",
    body: 'message M {\n  option »(quartet.v1.table) = {name: "x.m"};\n  string id = 1;\n}',
    faults: ["M: a table needs a key"],
  },
  {
    title: "no key, option by option",
    body: 'message M {\n  »option (quartet.v1.table).name = "x.m";\n  string id = 1;\n}',
    faults: ["M: a table needs a key"],
  },
  {
    title: "unknown key",
    body: 'message M {\n  option (quartet.v1.table) = {\n    name: "x.m"\n    key: "id"\n    »key: "nope"\n  };\n  string id = 1;\n}',
    faults: ['M: key names "nope", which is no field'],
  },
  {
    title: "key twice",
    body: 'message M {\n  option (quartet.v1.table) = {name: "x.m" »key: ["id", "id"]};\n  string id = 1;\n}',
    faults: ['M: key names twice "id"'],
  },
  {
    title: "repeated key",
    body: keyed("repeated string"),
    faults: ['M: key field "id" is not a plain scalar'],
  },
  {
    title: "map as key",
    body: keyed("map<string, string>"),
    faults: ['M: key field "id" is not a plain scalar'],
  },
  {
    title: "message as key",
    body: keyed("google.protobuf.Timestamp"),
    faults: ['M: key field "id" is not a plain scalar'],
  },
  {
    title: "optional key",
    body: keyed("optional string"),
    faults: [
      'M: key field "id" is not a plain scalar: "optional", a oneof or the edition lets it be absent, and a key never is',
    ],
  },
  {
    title: "key of an edition",
    syntax: 'edition = "2023"',
    body: keyed("string"),
    faults: [
      'M: key field "id" is not a plain scalar: "optional", a oneof or the edition lets it be absent, and a key never is',
    ],
  },
  { title: "bytes as key", body: keyed("bytes"), faults: ['M: key field "id" is bytes, which make no key'] },
  {
    title: "double as key",
    body: keyed("double"),
    faults: ['M: key field "id" is a double, which makes no key: NaN equals nothing, and -0 equals 0'],
  },
  {
    title: "float as key",
    body: keyed("float"),
    faults: ['M: key field "id" is a float, which makes no key: NaN equals nothing, and -0 equals 0'],
  },
  {
    title: "hidden key",
    body: 'message M {\n  option (quartet.v1.table) = {name: "x.m" »key: "id"};\n  string id = 1 [(quartet.v1.column).hidden = true];\n}',
    faults: ['M: key names "id", which is hidden and no column'],
  },
  {
    title: "path column as key",
    body: 'message M {\n  option (quartet.v1.table) = {name: "x.m" »key: "part_id"};\n  Part part = 1 [(quartet.v1.column).path = "id"];\n}\nmessage Part {\n  string id = 1;\n}',
    faults: ['M: key names "part_id", which is a path column: a key is made of the row\'s own fields'],
  },
  {
    title: "key of 33 columns",
    body: `message M {\n  option (quartet.v1.table) = {\n    name: "x.m"\n    »key: "f0"\n    ${many(32, (index) => `key: "f${index + 1}"`)}\n  };\n  ${many(33, (index) => `string f${index} = ${index + 1};`)}\n}`,
    faults: ["M: the key has 33 columns, and Postgres allows 32"],
  },
  // Columns.
  {
    title: "field named pb",
    body: fields("string id = 1;\n  string »pb = 2;"),
    faults: ['M: field "pb" is a reserved column'],
  },
  {
    title: "field named version",
    body: fields("string id = 1;\n  int64 »version = 2;"),
    faults: ['M: field "version" is a reserved column'],
  },
  {
    title: "system column",
    body: fields("string id = 1;\n  int64 »xmin = 2;"),
    faults: ['M: field "xmin" is a reserved column'],
  },
  {
    title: "field named proto",
    body: fields('string id = 1;\n  string »__proto__ = 2 [json_name = "proto"];'),
    faults: ['M: field "__proto__" is a reserved column'],
  },
  {
    title: "column too long",
    body: fields(`string id = 1;\n  string »${"c".repeat(64)} = 2;`),
    faults: [`M: column "${"c".repeat(64)}" is too long for a name in SQL: 64 bytes, and Postgres keeps 63`],
  },
  {
    title: "path and field of one name",
    body: `${fields('string id = 1;\n  Part part = 2 [(quartet.v1.column) = {path: ["id"]}];\n  string »part_id = 3;')}\nmessage Part {\n  string id = 1;\n}`,
    faults: ['M: two columns have the name "part_id": the path part.id and a field'],
  },
  {
    title: "path twice",
    body: `${fields('string id = 1;\n  Part part = 2 [(quartet.v1.column).path = "id", »(quartet.v1.column).path = "id"];')}\nmessage Part {\n  string id = 1;\n}`,
    faults: ['M: two columns have the name "part_id": the path part.id and the path part.id'],
  },
  {
    title: "path of a scalar",
    body: fields('string id = 1;\n  string text = 2 [»(quartet.v1.column).path = "x"];'),
    faults: ['M: path "x" of "text" goes through "text", which is no singular message'],
  },
  {
    title: "path through a list",
    body: `${fields('string id = 1;\n  repeated M ms = 2 [(quartet.v1.column) = {»path: "id"}];')}`,
    faults: ['M: path "id" of "ms" goes through "ms", which is no singular message'],
  },
  {
    title: "path to nowhere",
    body: fields('string id = 1;\n  M m = 2 [(quartet.v1.column) = {\n    »path: ["id", "nope"]\n  }];'),
    faults: ['M: path "nope" of "m" names "nope", which is no field of path_to_nowhere.v1.M'],
  },
  {
    title: "path into a timestamp",
    body: fields(
      'string id = 1;\n  google.protobuf.Timestamp time = 2 [»(quartet.v1.column).path = "seconds"];',
    ),
    faults: ['M: path "seconds" of "time" names "seconds", which is no field of google.protobuf.Timestamp'],
  },
  {
    title: "too many columns",
    body: `message M {\n  option »(quartet.v1.table) = {name: "x.m" key: "f0"};\n  ${many(999, (index) => `string f${index} = ${index + 1};`)}\n}`,
    faults: [
      "M: the table has 1001 columns, and a pbtable takes 1000: hide some with option (quartet.v1.column).hidden",
    ],
  },
];
