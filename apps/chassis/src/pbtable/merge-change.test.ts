import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mergeChange } from "./merge-change.ts";

/** Keys both sides know, among them the one that is no ordinary key in JavaScript. */
const key = fc.constantFrom("a", "b", "c", "__proto__", "constructor");
const json: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<JsonValue>(null, true, 0, 1, "", "x", "y"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 4 }).map((entries) => fromPairs(entries)),
  ),
})).value;

describe("mergeChange", () => {
  test("stores what it stored when nothing changed", () => {
    fc.assert(
      fc.property(json, json, (stored, known) => {
        expect(mergeChange(stored, known, structuredClone(known))).toEqual(stored);
      }),
    );
  });

  test("gives what was made when everything stored was known", () => {
    fc.assert(
      fc.property(json, json, (before, after) => {
        expect(mergeChange(before, before, after)).toEqual(after);
      }),
    );
  });

  test("keeps the keys that only the store knows, at each depth of objects, and no others", () => {
    fc.assert(
      fc.property(json, json, (before, after) => {
        const merged = mergeChange(addUnknown(before), before, after);
        expect(dropUnknown(merged)).toEqual(after);
        requireUnknown(before, after, merged);
      }),
    );
  });

  test("never touches a prototype", () => {
    const stored = JSON.parse('{"m": {"__proto__": {"x": 1, "unknown": 2}}}');
    const before = JSON.parse('{"m": {"__proto__": {"x": 1}}}');
    const after = JSON.parse('{"m": {"__proto__": {"x": 3}}}');
    const merged = mergeChange(stored, before, after);
    expect(JSON.stringify(merged)).toBe('{"m":{"__proto__":{"x":3,"unknown":2}}}');
    expect(Object.hasOwn(Object.prototype, "x")).toBe(false);
  });

  test("a message of another type replaces an Any whole", () => {
    const stored = { any: { "@type": "t/a.A", x: 1, unknown: 2 } };
    const before = { any: { "@type": "t/a.A", x: 1 } };
    const after = { any: { "@type": "t/a.B", x: 1 } };
    expect(mergeChange(stored, before, after)).toEqual(after);
  });

  test("the other member of a oneof takes the place of the first", () => {
    expect(mergeChange({ card: "1", future: 1 }, { card: "1" }, { cents: "2" })).toEqual({
      cents: "2",
      future: 1,
    });
  });
});

describe("mergeChange of lists", () => {
  const [x, y, z] = [{ id: "x" }, { id: "y" }, { id: "z" }];
  const future = (value: JsonObject, mark: number): JsonObject => ({ ...value, future: mark });
  const stored = [future(x, 1), future(y, 2)];

  test.each<[string, JsonValue[], JsonValue[]]>([
    ["an appended element", [x, y, z], [...stored, z]],
    ["a prepended element", [z, x, y], [z, ...stored]],
    ["a removed element", [y], [future(y, 2)]],
    ["another order", [y, x], [future(y, 2), future(x, 1)]],
    ["an edited element", [x, { id: "y2" }], [future(x, 1), future({ id: "y2" }, 2)]],
    ["an edited and an appended element", [{ id: "x2" }, y, z], [future({ id: "x2" }, 1), future(y, 2), z]],
    ["an element twice", [x, x, y], [future(x, 1), x, future(y, 2)]],
    ["no element", [], []],
  ])("keep what only the store knows over %s", (_, after, expected) => {
    expect(mergeChange(stored, [x, y], after)).toEqual(expected);
  });

  test("an element that may be another one inherits nothing", () => {
    expect(mergeChange(stored, [x, y], [{ id: "y2" }])).toEqual([{ id: "y2" }]);
  });

  test("unknown names of an enum stay when a known one is added or removed", () => {
    const statuses = ["OPEN", "FUTURE", "CLOSED"];
    expect(mergeChange(statuses, ["OPEN", "CLOSED"], ["OPEN", "CLOSED", "OPEN"])).toEqual([
      ...statuses,
      "OPEN",
    ]);
    expect(mergeChange(statuses, ["OPEN", "CLOSED"], ["CLOSED"])).toEqual(["CLOSED", "FUTURE"]);
    expect(mergeChange(["FUTURE"], [], ["OPEN"])).toEqual(["FUTURE", "OPEN"]);
  });
});

const unknownKey = "zz future";

function fromPairs(pairs: readonly (readonly [string, JsonValue])[]): JsonObject {
  return Object.fromEntries(pairs);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mapObjects(
  value: JsonValue,
  change: (pairs: [string, JsonValue][]) => [string, JsonValue][],
): JsonValue {
  if (Array.isArray(value)) return value.map((element) => mapObjects(element, change));
  if (!isObject(value)) return value;
  return fromPairs(change(Object.entries(value).map(([name, inner]) => [name, mapObjects(inner, change)])));
}

/** Every object has one key more than this build knows. */
function addUnknown(value: JsonValue): JsonValue {
  return mapObjects(value, (pairs) => [...pairs, [unknownKey, "kept"]]);
}

function dropUnknown(value: JsonValue): JsonValue {
  return mapObjects(value, (pairs) => pairs.filter(([name]) => name !== unknownKey));
}

/** Wherever before and after both have an object, reached through objects alone, the merged one has its unknown key. */
function requireUnknown(before: JsonValue, after: JsonValue, merged: JsonValue): void {
  if (!isObject(before) || !isObject(after) || !isObject(merged)) return;
  expect(merged[unknownKey]).toBe("kept");
  for (const name of Object.keys(after)) {
    const [known, made, kept] = [own(before, name), own(after, name), own(merged, name)];
    if (known !== undefined && made !== undefined && kept !== undefined) requireUnknown(known, made, kept);
  }
}

function own(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}
