import { conditioned, type FaultyProto, indexed, many, table } from "./test-faulty-proto.ts";

/** Indexes and their conditions that Postgres would refuse, or that would index nothing. */
export const faultyIndexes: readonly FaultyProto[] = [
  // Indexes.
  { title: "empty index", body: indexed("unique: true", ""), faults: ["M: an index needs a field"] },
  {
    title: "index on nothing",
    body: indexed('field: "nope"', ""),
    faults: ['M: index names "nope", which is no column'],
  },
  {
    title: "index on a hidden field",
    body: indexed('field: "secret"', "string secret = 3 [(quartet.v1.column).hidden = true];"),
    faults: ['M: index names "secret", which is hidden and no column'],
  },
  {
    title: "index of odd order",
    body: indexed('field: "text DESC"', ""),
    faults: ['M: index names "text DESC", which is not "column", "column asc" or "column desc"'],
  },
  {
    title: "index names a field twice",
    body: indexed('field: ["text", "text desc"]', ""),
    faults: ['M: an index names "text" twice'],
  },
  {
    title: "index twice",
    body: table('index: {field: "text"}\n    »index: {field: "text"}'),
    faults: [
      'M: two indexes have the name "m_text_idx": the same fields, or names that read the same when joined',
    ],
  },
  {
    title: "index of 33 columns",
    body: indexed(
      `field: [${many(33, (index) => `"f${index}"`).replaceAll("\n", ",")}]`,
      many(33, (index) => `string f${index} = ${index + 3};`),
    ),
    faults: ["M: the index has 33 columns, and Postgres allows 32"],
  },
  {
    title: "btree on a list",
    body: indexed('field: "tags"', "repeated string tags = 3;"),
    faults: ['M: an index names "tags", which is jsonb: give the index kind: INDEX_KIND_GIN'],
  },
  {
    title: "gin on a scalar",
    body: indexed('field: "text" kind: INDEX_KIND_GIN', ""),
    faults: ['M: a GIN index names "text", which is text: it takes repeated, map and message fields'],
  },
  {
    title: "gin in order",
    body: indexed('field: "tags desc" kind: INDEX_KIND_GIN', "repeated string tags = 3;"),
    faults: ['M: a GIN index has no order: "tags desc"'],
  },
  {
    title: "unique gin",
    body: indexed('field: "tags" kind: INDEX_KIND_GIN unique: true', "repeated string tags = 3;"),
    faults: ["M: a GIN index cannot be unique"],
  },
  // Conditions of indexes.
  {
    title: "condition on nothing",
    body: conditioned('field: "nope" is_set: true', ""),
    faults: ['M: index condition names "nope", which is no column'],
  },
  {
    title: "condition without test",
    body: conditioned('field: "id"', ""),
    faults: ['M: index condition on "id" says neither equals, not_equals nor is_set'],
  },
  {
    title: "condition is set on what always is",
    body: conditioned('field: "id" is_set: true', ""),
    faults: ['M: index condition is_set on "id", which is never NULL'],
  },
  {
    title: "condition of no enum value",
    body: `${conditioned('field: "kind" equals: "NOPE"', "Kind kind = 3;")}\nenum Kind {\n  KIND_UNSPECIFIED = 0;\n}`,
    faults: ['M: index condition compares "kind" (enum condition_of_no_enum_value.v1.Kind) with "NOPE"'],
  },
  {
    title: "condition out of range",
    body: conditioned('field: "n" equals: "2147483648"', "int32 n = 3;"),
    faults: ['M: index condition compares "n" (integer) with "2147483648"'],
  },
  {
    title: "condition out of a long range",
    body: conditioned('field: "n" not_equals: "-1"', "uint64 n = 3;"),
    faults: ['M: index condition compares "n" (numeric(20)) with "-1"'],
  },
  {
    title: "condition beyond a float",
    body: conditioned('field: "n" equals: "1e39"', "float n = 3;"),
    faults: ['M: index condition compares "n" (real) with "1e39"'],
  },
  {
    title: "condition of no bool",
    body: conditioned('field: "b" equals: "yes"', "bool b = 3;"),
    faults: ['M: index condition compares "b" (boolean) with "yes"'],
  },
  {
    title: "condition on a list",
    body: conditioned('field: "tags" equals: "[]"', "repeated string tags = 3;"),
    faults: ['M: index condition compares "tags" (jsonb) with "[]"'],
  },
  {
    title: "condition on a time",
    body: conditioned('field: "t" equals: "2020-01-01T00:00:00Z"', "google.protobuf.Timestamp t = 3;"),
    faults: ['M: index condition compares "t" (timestamptz) with "2020-01-01T00:00:00Z"'],
  },
  {
    title: "condition with nul",
    body: conditioned('field: "text" equals: "a\\0"', ""),
    faults: ['M: index condition compares "text" (text) with "a\\u0000"'],
  },
];
