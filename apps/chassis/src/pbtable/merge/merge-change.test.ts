import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeJson } from "../../schema/json/json.ts";
import { newBuild, oldBuild, type TestBuild } from "../../schema/json/test-builds.ts";
import { arbitraryMessage } from "../../schema/test-arbitrary.ts";
import { EverythingSchema, type LooseMessage, make, testRegistry } from "../../schema/test-schema.ts";
import { mergeChange } from "./merge-change.ts";
import { draftRow } from "./row-draft.ts";

/** What is stored of an order after a build edited it. */
function edited(
  build: TestBuild,
  stored: JsonValue,
  edit: object | ((draft: LooseMessage) => void),
): JsonObject {
  const row = draftRow(build.message("Order"), structuredClone(stored), build.registry);
  if (typeof edit === "function") edit(row.draft as LooseMessage);
  else Object.assign(row.draft, edit);
  return row.merge() as JsonObject;
}

const Line = oldBuild.message("Line");
const linesOf = (draft: LooseMessage) => draft["lines"] as LooseMessage[];

describe("an edited row", () => {
  const any = arbitraryMessage(EverythingSchema);
  const encode = (message: LooseMessage) => encodeJson(EverythingSchema, message, testRegistry);
  const context = { registry: testRegistry, origins: new Map() };

  test("is the very value that was stored when nothing changed, whatever that is", () => {
    fc.assert(
      fc.property(any, any, (one, other) => {
        const [stored, known] = [encode(one), encode(other)];
        const change = { stored, before: known, after: structuredClone(known) };
        expect(mergeChange(EverythingSchema, change, undefined, context)).toBe(stored);
      }),
      { numRuns: 50 },
    );
  });

  test("is what was made when everything stored was known", () => {
    fc.assert(
      fc.property(any, any, (one, other) => {
        const row = draftRow(EverythingSchema, encode(one), testRegistry);
        for (const name of Object.keys(row.draft)) delete (row.draft as LooseMessage)[name];
        Object.assign(row.draft, other);
        expect(row.merge()).toEqual(encode(other));
      }),
      { numRuns: 50 },
    );
  });

  test("keeps the keys that only the store knows, at each depth", () => {
    fc.assert(
      fc.property(any, any, (one, other) => {
        const stored = addUnknown(encode(one));
        const row = draftRow(EverythingSchema, stored, testRegistry);
        Object.assign(row.draft, {
          fString: "edited",
          fInt32: 7,
          tags: other["tags"],
          labels: other["labels"],
        });
        const expected = encode(row.draft as LooseMessage);
        expect(row.merge()).toMatchObject({ ...(addUnknown(expected) as object), labels: expect.anything() });
      }),
      { numRuns: 50 },
    );
  });

  test("has a map key named __proto__ as an ordinary key", () => {
    const stored = JSON.parse('{"lineOf": {"__proto__": {"unknown": 2, "sku": "x"}}}');
    const pb = edited(oldBuild, stored, (draft) => {
      const map = draft["lineOf"] as Record<string, LooseMessage>;
      Object.assign(Object.entries(map)[0]?.[1] ?? {}, { sku: "y" });
    });
    expect(JSON.stringify(pb["lineOf"])).toContain('{"__proto__":{"unknown":2,"sku":"y"}}');
    expect(Object.hasOwn(Object.prototype, "sku")).toBe(false);
  });
});

describe("an edited Any", () => {
  const stored = {
    extra: { "@type": "type.googleapis.com/shop.v1.Line", sku: "a", engraving: "kept" },
    extras: [{ "@type": "type.googleapis.com/shop.v1.Gift", text: "kept" }],
  };

  test("keeps what only the store knows of its content", () => {
    const pb = edited(oldBuild, stored, (draft) => {
      const any = draft["extra"] as Any;
      anyPack(Line, { ...(anyUnpack(any, Line) as LooseMessage), sku: "b" } as LooseMessage, any);
    });
    expect(pb).toMatchObject({ extra: { ...stored.extra, sku: "b" }, extras: stored.extras });
  });

  test("keeps what only the store knows of elements inside that were edited in place", () => {
    const parts = [{ sku: "p", engraving: "kept" }];
    const pb = edited(oldBuild, { extra: { ...stored.extra, parts } }, (draft) => {
      const any = draft["extra"] as Any;
      const line = anyUnpack(any, Line) as LooseMessage;
      Object.assign((line["parts"] as LooseMessage[])[0] ?? {}, { sku: "q" });
      anyPack(Line, line, any);
    });
    expect(pb["extra"]).toMatchObject({ parts: [{ sku: "q", engraving: "kept" }] });
  });

  test("of another type is replaced as a whole", () => {
    const pb = edited(oldBuild, stored, (draft) => {
      anyPack(oldBuild.message("Order"), make(oldBuild.message("Order"), {}), draft["extra"] as Any);
    });
    expect(pb["extra"]).toMatchObject({ "@type": "type.googleapis.com/shop.v1.Order" });
    expect(pb["extra"]).not.toHaveProperty("engraving");
  });

  test("of a type this build does not know stays, moves, is copied and is removed as any other", () => {
    const [gift] = stored.extras;
    expect(edited(oldBuild, stored, { note: "x" })).toMatchObject(stored);
    const moved = edited(oldBuild, stored, (draft) => {
      const [first] = draft["extras"] as Any[];
      draft["extra"] = first;
      draft["extras"] = [];
      draft["extraOf"] = { k: first };
    });
    expect(moved).toMatchObject({ extra: gift, extras: [], extraOf: { k: gift } });
  });
});

describe("an edited oneof", () => {
  test("has no other member that this build knows, whichever was stored", () => {
    const stored = { card: "1", crypto: "c", loan: { sku: "l" }, future: 1 };
    const pay = (build: TestBuild, payment: object) => edited(build, stored, { payment });
    expect(pay(newBuild, { case: "crypto", value: "d" })).toEqual({ crypto: "d", future: 1 });
    expect(pay(newBuild, { case: "card", value: "2" })).toEqual({ card: "2", future: 1 });
    expect(pay(newBuild, { case: undefined })).toEqual({ future: 1 });
    expect(pay(oldBuild, { case: undefined })).toEqual({ crypto: "c", loan: { sku: "l" }, future: 1 });
  });

  test("replaces an enum value of it that this build does not know", () => {
    const payment = { case: "card", value: "1" };
    expect(edited(oldBuild, { promise: "KIND_FUTURE" }, { payment })).toEqual({ card: "1" });
  });

  test("that did not change stays as it is stored", () => {
    const stored = { promise: "KIND_FUTURE", crypto: "c", loan: { sku: "l" } };
    expect(edited(oldBuild, stored, { note: "x" })).toEqual({ ...stored, note: "x" });
  });
});

describe("an edited list", () => {
  const [a, b, c, d] = ["a", "b", "c", "d"].map((sku) => ({
    sku,
    quantity: 7,
    engraving: `for ${sku}`,
  })) as JsonObject[];
  const stored = { lines: [a, b, c, d] } as JsonObject;
  const added = { sku: "new" };

  test.each<[string, (lines: LooseMessage[]) => LooseMessage[], unknown[]]>([
    ["an appended element", (lines) => [...lines, make(Line, added)], [a, b, c, d, added]],
    ["a prepended element", (lines) => [make(Line, added), ...lines], [added, a, b, c, d]],
    ["a removed element", (lines) => lines.filter(({ sku }) => sku !== "b"), [a, c, d]],
    ["another order", (lines) => lines.toReversed(), [d, c, b, a]],
    [
      "a removed element, another one edited and moved",
      ([, two, three, four]) => [edit(four), two, three].map(some),
      [{ ...d, sku: "edited" }, b, c],
    ],
    [
      "all but one removed, and that one edited",
      ([, , three]) => [some(edit(three))],
      [{ ...c, sku: "edited" }],
    ],
    [
      "every element edited, in another order",
      (lines) => lines.toReversed().map(edit).map(some),
      [d, c, b, a].map((line) => ({ ...line, sku: "edited" })),
    ],
    ["an edited copy in place", ([one, ...rest]) => [copy(one), ...rest], [{ ...a, sku: "copied" }, b, c, d]],
    [
      "an edited copy where another one was removed",
      ([one, , three, four]) => [some(one), copy(three), some(four)],
      [a, { sku: "copied", quantity: 7 }, d],
    ],
    [
      "an edited copy between those around it",
      ([, two, three, four]) => [some(two), copy(three), some(four)],
      [b, { ...c, sku: "copied" }, d],
    ],
    [
      "a new element in the place of another",
      ([, ...rest]) => [make(Line, added), ...rest],
      [added, b, c, d],
    ],
    ["one element twice", ([one]) => [some(one), some(one)], [a, a]],
    ["no element", () => [], []],
  ])("keeps what only the store knows over %s", (_, change, expected) => {
    const pb = edited(oldBuild, stored, (draft) => {
      draft["lines"] = change(linesOf(draft));
    });
    expect(pb["lines"]).toMatchObject(expected);
    expect((pb["lines"] as JsonObject[]).map((line) => line["engraving"])).toEqual(
      expected.map((line) => (line as { engraving?: string }).engraving),
    );
  });

  test("follows its elements to other lists, maps and messages, and those inside of them", () => {
    const nested = { sku: "outer", engraving: "out", parts: [a, b] };
    const pb = edited(oldBuild, { lines: [nested, c], lineOf: { k: d } } as JsonObject, (draft) => {
      const [outer, last] = linesOf(draft).map(some);
      const [first, second] = some(outer)["parts"] as LooseMessage[];
      const map = draft["lineOf"] as Record<string, LooseMessage>;
      Object.assign(draft, { lines: [make(Line, { parts: [second] })], returned: [edit(last), map["k"]] });
      Object.assign(draft, { line: first, lineOf: { k2: outer } });
      some(outer)["parts"] = [];
    });
    expect(pb).toMatchObject({
      lines: [{ parts: [b] }],
      returned: [{ ...c, sku: "edited" }, d],
      line: a,
      lineOf: { k2: { sku: "outer", engraving: "out", parts: [] } },
    });
    expect(pb["lineOf"]).not.toHaveProperty("k");
  });

  test("keeps elements apart that this build cannot tell apart", () => {
    const same = [1, 2, 3].map((engraving) => ({ sku: "same", engraving }));
    const pb = edited(oldBuild, { lines: same }, (draft) => {
      const [, second, third] = linesOf(draft);
      draft["lines"] = [third, second];
    });
    expect(pb["lines"]).toEqual([same[2], same[1]]);
  });

  test("keeps enum names it does not know, nulls, and the names beside them", () => {
    const kinds = ["KIND_RUSH", "KIND_FUTURE", null, "KIND_PLAIN"];
    const of = (change: (kinds: number[]) => number[]) => {
      const edit = (draft: LooseMessage) =>
        Object.assign(draft, { kinds: change(draft["kinds"] as number[]) });
      return edited(oldBuild, { kinds }, edit)["kinds"];
    };
    expect(of((list) => [...list, 2])).toEqual([...kinds, "KIND_RUSH"]);
    expect(of(() => [1])).toEqual(["KIND_PLAIN", "KIND_FUTURE", null]);
    expect(of(() => [])).toEqual(["KIND_FUTURE", null]);
  });

  test("keeps enum names it does not know, of a map", () => {
    const kindOf = { a: "KIND_FUTURE", b: "KIND_RUSH", c: "KIND_FUTURE", d: null };
    const pb = edited(oldBuild, { kindOf }, { kindOf: { c: 1, e: 2 } });
    expect(pb["kindOf"]).toEqual({ a: "KIND_FUTURE", c: "KIND_PLAIN", d: null, e: "KIND_RUSH" });
  });
});

describe("a field that was written under its proto name", () => {
  const stored = { order_id: "a", line_of: { k: { sku: "x", engraving: "kept" } } };

  test("moves to its JSON name when it changes", () => {
    const pb = edited(oldBuild, stored, (draft) => {
      draft["orderId"] = "b";
      Object.assign((draft["lineOf"] as Record<string, LooseMessage>)["k"] ?? {}, { sku: "y" });
    });
    expect(pb).toEqual({ orderId: "b", lineOf: { k: { sku: "y", engraving: "kept" } } });
  });

  test("stays until then", () => {
    expect(edited(oldBuild, stored, { note: "n" })).toEqual({ ...stored, note: "n" });
  });
});

function some<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("there is none");
  return value;
}

function edit(line: LooseMessage | undefined): LooseMessage | undefined {
  return line && Object.assign(line, { sku: "edited" });
}

function copy(line: LooseMessage | undefined): LooseMessage {
  return { ...some(line), sku: "copied" };
}

/** Every object that is a message with fields has one key more than this build knows. */
function addUnknown(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(addUnknown);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    key === "extra" ? inner : addUnknown(inner),
  ]);
  const isMessage = Object.hasOwn(value, "sku") || Object.hasOwn(value, "fInt32");
  return Object.fromEntries(isMessage ? [...entries, ["zz future", "kept"]] : entries);
}
