import { create, type JsonValue } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeStoredJson, encodeJson } from "../../schema/json/json.ts";
import { type TestBuild, testBuild } from "../../schema/json/test-builds.ts";
import type { LooseMessage } from "../../schema/test-schema.ts";
import { draftRow } from "./row-draft.ts";
import { Editor } from "./test-edits.ts";

/** Everything a field can be, where an old build can know it. */
const kinds = [
  ...[
    "string",
    "int32",
    "optional string",
    "optional int32",
    "enum Kind",
    "optional enum Kind",
    "repeated enum Kind",
  ],
  ...["map string enum Kind", "map string string", ".google.protobuf.Any"],
  ...[".shop.v1.Child", "repeated .shop.v1.Child", "map string .shop.v1.Child"],
  ...["oneof choice string", "oneof choice int32", "oneof choice enum Kind", "oneof choice .shop.v1.Child"],
];

/** Fields of a message, and how many of them the old build knows. */
const messageFields = (base: Record<string, string>) =>
  fc
    .tuple(fc.array(fc.constantFrom(...kinds), { minLength: 2, maxLength: 12 }), fc.nat())
    .map(([specs, cut]) => {
      const all = [...Object.entries(base), ...specs.map((spec, index) => [`f_${index}`, spec] as const)];
      const known = Object.keys(base).length + 1 + (cut % specs.length);
      return { new: Object.fromEntries(all), old: Object.fromEntries(all.slice(0, known)) };
    });

/** Two builds: the old one knows a part of the fields, members, enum values and types that the new one knows. */
const builds = fc
  .record({
    row: messageFields({ id: "string", text: "string" }),
    child: messageFields({ text: "string" }),
    values: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  })
  .map(({ row, child, values: [old, more] }) => {
    const names = ["UNSPECIFIED", "A", "B", "C", "D", "E"].map((name) => `KIND_${name}`);
    return {
      old: testBuild({
        enums: { Kind: names.slice(0, old) },
        messages: { Row: { fields: row.old }, Child: { fields: child.old } },
      }),
      new: testBuild({
        enums: { Kind: names.slice(0, old + more) },
        messages: {
          Row: { fields: row.new },
          Child: { fields: child.new },
          Extra: { fields: { note: "string" } },
        },
      }),
    };
  });

const updates = fc.array(
  fc.record({ by: fc.constantFrom("old", "new"), edits: fc.integer({ min: 1, max: 4 }) }),
  {
    minLength: 2,
    maxLength: 10,
  },
);
const randoms = fc.array(fc.nat(), { minLength: 50, maxLength: 300 });

test("two builds that update one row in turns lose nothing that either knows", () => {
  fc.assert(
    fc.property(builds, updates, randoms, (pair, turns, tape) => {
      let position = 0;
      const next = () => tape[position++ % tape.length] ?? 0;
      let stored: JsonValue = { id: "row" };
      const model = create(pair.new.message("Row"), { id: "row" }) as LooseMessage;
      for (const { by, edits } of turns) {
        const build: TestBuild = pair[by];
        const row = draftRow(build.message("Row"), stored, build.registry);
        const editor = new Editor(build, pair.new, next);
        const twins = {
          desc: build.message("Row"),
          draft: row.draft as LooseMessage,
          modelDesc: pair.new.message("Row"),
          model,
        };
        for (let count = 0; count < edits; count++) editor.edit(twins);
        stored = throughJsonb(row.merge());
        expectSame(pair.new, stored, model);
        expectSame(pair.old, stored, model, pair.new);
      }
    }),
    { numRuns: 1_000 },
  );
});

/** What a build reads of the row is what it reads of the model. */
function expectSame(build: TestBuild, stored: JsonValue, model: LooseMessage, modelBuild = build): void {
  const whole = encodeJson(modelBuild.message("Row"), model, modelBuild.registry);
  expect(readAgain(build, stored)).toEqual(readAgain(build, whole));
}

function readAgain(build: TestBuild, json: JsonValue): JsonValue {
  const desc = build.message("Row");
  return sortEnums(encodeJson(desc, decodeStoredJson(desc, json, build.registry), build.registry));
}

/** Where names that a build does not know stand among those it changes is nobody's to say. */
function sortEnums(value: JsonValue): JsonValue {
  if (Array.isArray(value)) {
    const elements = value.map(sortEnums);
    return elements.every((element) => typeof element === "string") ? elements.toSorted() : elements;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, sortEnums(inner)]));
}

/** jsonb keeps no order of keys. */
function throughJsonb(value: JsonValue): JsonValue {
  return JSON.parse(JSON.stringify(value), (_, inner: JsonValue) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1)))
      : inner,
  ) as JsonValue;
}
