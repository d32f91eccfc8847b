import { createFileRegistry, type DescMessage, type FileRegistry } from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import fc from "fast-check";
import { IndexKind } from "../gen/quartet/v1/options_pb.ts";
import { buildTestFile, type TestFile, testImports } from "./test-file.ts";

/** A random file with one table, `Row`, whose fields are of every kind and have names of every kind. */
export interface RandomTable {
  /** What it was built of: what a failing test prints. */
  readonly file: TestFile;
  readonly registry: FileRegistry;
  readonly row: DescMessage;
}

const scalarNames = [
  ...["double", "float", "int32", "sint32", "sfixed32", "uint32", "fixed32", "int64", "sint64", "sfixed64"],
  ...["uint64", "fixed64", "bool", "string", "bytes"],
];
const keyNames = scalarNames.filter((name) => !["double", "float", "bytes"].includes(name));
const wellKnownNames = [
  ...["Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "Any"],
  ...["StringValue", "BytesValue", "BoolValue", "Int32Value", "UInt32Value"],
  ...["Int64Value", "UInt64Value", "FloatValue", "DoubleValue"],
].map((name) => `.google.protobuf.${name}`);

const scalar = fc.constantFrom(...scalarNames);
const color = fc.constant("enum Color");
const wellKnown = fc.constantFrom(...wellKnownNames);
const inner = fc.constant(".random.v1.Inner");
const value = fc.oneof(scalar, color, wellKnown, inner);
const mapKey = fc.constantFrom("string", "int32", "uint64", "sfixed64", "bool");

/** What a field reads in `buildTestFile`; `$` stands for the name of the oneof. */
const fieldSpec = fc.oneof(
  { weight: 4, arbitrary: value },
  { weight: 2, arbitrary: fc.oneof(scalar, color).map((type) => `optional ${type}`) },
  { weight: 2, arbitrary: value.map((type) => `oneof $ ${type}`) },
  { weight: 2, arbitrary: value.map((type) => `repeated ${type}`) },
  { weight: 2, arbitrary: fc.tuple(mapKey, value).map(([key, type]) => `map ${key} ${type}`) },
  { weight: 1, arbitrary: fc.oneof(scalar, color).map((type) => `hidden ${type}`) },
  { weight: 1, arbitrary: fc.constant("enum .google.protobuf.NullValue") },
);

/** Names that mean something to SQL, PL/pgSQL, JavaScript or Kysely, and those of every style. */
const oddNames = [
  ...[
    "select",
    "user",
    "order",
    "table",
    "null",
    "true",
    "primary",
    "limit",
    "where",
    "new",
    "old",
    "row",
    "t",
  ],
  ...[
    "fault",
    "changed",
    "removed",
    "given",
    "own",
    "found",
    "excluded",
    "key",
    "value",
    "id",
    "type",
    "k",
    "v",
  ],
  ...["constructor", "toString", "valueOf", "then", "length", "name", "prototype", "default"],
  ...[
    "UPPER_CASE",
    "mixed_Case",
    "camelCase",
    "with_1_digit",
    "x9",
    "a__b",
    "trailing_",
    "PascalCase",
    "A",
    "kind",
  ],
  ...[
    "database",
    "json",
    "jsonb",
    "text",
    "count",
    "sum",
    "now",
    "current_user",
    "tg_op",
    "case",
    "message",
    "case_",
  ],
];
const nameChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
const fieldName = fc.oneof(
  fc.constantFrom(...oddNames),
  fc.stringMatching(/^[a-z]\w{0,10}$/),
  fc
    .tuple(fc.integer({ min: 50, max: 62 }), fc.integer({ min: 0, max: 999 }))
    .map(
      ([length, seed]) =>
        `l${Array.from({ length }, (_, at) => nameChars[(at * 7 + seed) % nameChars.length]).join("")}`,
    ),
);
/** Two names are apart when no spelling of theirs is the same: proto, JSON, TypeScript, and SQL without quotes. */
const plainName = (name: string) => protoCamelCase(name).toLowerCase().replaceAll("_", "");
const reserved = new Set(["pb", "version", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"]);
const fieldNames = (count: number) =>
  fc.uniqueArray(
    fieldName.filter((name) => !reserved.has(name) && plainName(name) !== ""),
    { minLength: count, maxLength: count, selector: plainName },
  );

/** No backslashes: see test-arbitrary.ts. */
const oddJsonNames = [
  "@x",
  "a b",
  "it's",
  'q"uote',
  "$quartet$",
  "é 漢 🎻",
  "a.b",
  "json-name",
  "%s",
  "pb",
  "version",
  "$1",
  "{}",
];

interface Parts {
  readonly innerNames: readonly string[];
  readonly innerSpecs: readonly string[];
  readonly names: readonly string[];
  readonly specs: readonly string[];
  readonly keys: readonly string[];
  readonly odd: readonly number[];
  readonly paths: readonly boolean[];
  readonly tableName: string;
}

const parts: fc.Arbitrary<Parts> = fc
  .record({
    innerSpecs: fc.array(fieldSpec, { minLength: 1, maxLength: 5 }),
    specs: fc.array(fieldSpec, { minLength: 1, maxLength: 12 }),
    keys: fc.array(fc.oneof(fc.constantFrom(...keyNames), color), { minLength: 1, maxLength: 3 }),
    tableName: fc.constantFrom("rows", "Rows", "select", "it's", 'q"uoted', "a-b", "l".repeat(40)),
  })
  .chain((drawn) =>
    fc.record({
      innerSpecs: fc.constant(drawn.innerSpecs),
      specs: fc.constant(drawn.specs),
      keys: fc.constant(drawn.keys),
      tableName: fc.constant(drawn.tableName),
      innerNames: fieldNames(drawn.innerSpecs.length + 1),
      names: fieldNames(drawn.specs.length + drawn.keys.length + 1),
      odd: fc.array(fc.nat({ max: 40 }), { minLength: drawn.specs.length, maxLength: drawn.specs.length }),
      paths: fc.array(fc.boolean(), { minLength: drawn.specs.length, maxLength: drawn.specs.length }),
    }),
  );

/** Random tables, `random."…"`. Any of them is one that `quartet apply` takes. */
export const arbitraryTable: fc.Arbitrary<RandomTable> = parts.map((drawn) => buildTable(fileOf(drawn)));

/** Each table has a name of its own: statements are prepared once per connection and name. */
let tables = 0;

/** Builds the table of a file such as {@link arbitraryTable} draws. */
export function buildTable(file: TestFile): RandomTable {
  const registry = createFileRegistry(buildTestFile("random/v1/random", file), (name) =>
    testImports.find((known) => known.proto.name === name),
  );
  const row = registry.getMessage("random.v1.Row");
  if (row === undefined) throw new Error("the file has no message Row");
  // The registry has nothing to tell a reader.
  return {
    file,
    registry,
    row,
    [fc.toStringMethod]: () => JSON.stringify(file, undefined, 1),
  } as RandomTable;
}

function fileOf(drawn: Parts): TestFile {
  const [innerOneof = "", ...innerNames] = drawn.innerNames;
  const [oneof = "", ...names] = drawn.names;
  const keyFields = drawn.keys.map((type, index) => [names[index] ?? "", type] as const);
  const taken = new Set(names);
  const plain = drawn.specs.map((spec, index) => {
    const name = names[drawn.keys.length + index] ?? "";
    const path = drawn.paths[index] && spec === ".random.v1.Inner" ? pathsOf(name, innerNames, taken) : [];
    const json = oddJsonNames[drawn.odd[index] ?? -1];
    const settings = [
      ...(path.length > 0 ? [`path=${path.join(",")}`] : []),
      ...(json === undefined ? [] : [`json=${encodeURIComponent(`${json}${index}`)}`]),
    ];
    return [name, [spec.replace("$", oneof), ...settings].join(" ")] as const;
  });
  // A message may hold itself.
  const self = (spec: string) => spec.replace("$", innerOneof);
  return {
    enums: { Color: ["COLOR_UNSPECIFIED", "COLOR_RED", "select"] },
    messages: {
      Inner: {
        fields: Object.fromEntries(
          drawn.innerSpecs.map((spec, index) => [innerNames[index] ?? "", self(spec)]),
        ),
      },
      Row: {
        table: {
          name: `random.${drawn.tableName}${++tables}`,
          key: keyFields.map(([name]) => name),
          index: plain.flatMap(([name, spec], index) => (drawn.paths[index] ? indexOf(name, spec) : [])),
        },
        fields: Object.fromEntries([...keyFields, ...plain]),
      },
    },
    methods: {},
  };
}

/** An index on a column, as its type allows. */
function indexOf(name: string, spec: string) {
  if (spec.includes("hidden")) return [];
  const isJson =
    /^(repeated|map) /.test(spec) ||
    /\.random\.v1\.Inner|protobuf\.(Struct|Value|ListValue|Any)\b/.test(spec);
  return [{ field: [name], kind: isJson ? IndexKind.GIN : IndexKind.BTREE }];
}

/** The fields inside a message that a column of their own can be made for. */
function pathsOf(name: string, innerNames: readonly string[], taken: Set<string>): string[] {
  return innerNames.filter((inside) => {
    const column = `${name}_${inside}`;
    if (column.length > 63 || taken.has(column)) return false;
    taken.add(column);
    return true;
  });
}
