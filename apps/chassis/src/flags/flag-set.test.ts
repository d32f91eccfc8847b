import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFlagSet } from "./flag-set.ts";
import { flagDomain, flagMethod, flagOf, flagSaying, getThing, makeThing, weigh } from "./test-flags.ts";

const { methods } = flagDomain;
const modes = { direct: "direct", offloaded: "offloaded", async: "async" };

describe("a percentage", () => {
  const document = flagOf(makeThing, {
    variants: modes,
    defaultVariant: "direct",
    targeting: {
      fractional: [
        ["async", 30],
        ["direct", 70],
      ],
    },
  });
  const principals = Array.from({ length: 4_000 }, (_, index) => `principal-${index}`);
  const ask = async (text: string) => {
    const set = await readFlagSet(text, methods);
    return principals.map((principal) => set.ask(flagMethod(makeThing), principal)?.value);
  };

  test("is the same for a principal in every process, and near its share", async () => {
    const first = await ask(document);
    expect(await ask(document)).toEqual(first);
    const share = first.filter((value) => value === "async").length / first.length;
    expect(share).toBeGreaterThan(0.26);
    expect(share).toBeLessThan(0.34);
  });

  test("that is raised takes nobody back", async () => {
    const before = await ask(document);
    const after = await ask(document.replace("30", "60").replace("70", "40"));
    const left = before.filter((value, index) => value === "async" && after[index] !== "async");
    expect(left).toEqual([]);
    expect(after.filter((value) => value === "async").length).toBeGreaterThan(2_200);
  });

  test("is told with the reason", async () => {
    const set = await readFlagSet(document, methods);
    expect(set.ask(flagMethod(makeThing), "p")?.reason).toMatch(
      /^TARGETING_MATCH, variant \w+, async 30 %, direct 70 %$/,
    );
  });
});

test("a flag tells principals, methods and kinds apart", async () => {
  const both = (name: string) => [
    { "===": [{ var: "method" }, name] },
    { "===": [{ var: "kind" }, "command"] },
  ];
  const document = flagOf(makeThing, {
    variants: modes,
    defaultVariant: "direct",
    targeting: {
      if: [{ and: [{ in: [{ var: "targetingKey" }, ["ada"]] }, ...both(makeThing)] }, "async", "offloaded"],
    },
  });
  const set = await readFlagSet(document, methods);
  const ask = (principal: string) => set.ask(flagMethod(makeThing), principal)?.value;
  expect([ask("ada"), ask("bob")]).toEqual(["async", "offloaded"]);
  expect(set.ask(flagMethod(getThing), "ada")).toBeUndefined();
});

test.each([
  [
    "a method that is not there",
    flagSaying("flagged.v1.Things/Nothing", "direct"),
    "there is no such method",
  ],
  ["a consistency of a command", flagSaying(makeThing, "strong"), '"strong"'],
  ["a mode of a query", flagSaying(getThing, "async"), '"async"'],
  ["a value that only prints as a mode", flagSaying(makeThing, { direct: "direct" }), "a variant is"],
  ["any value of a compute", flagSaying(weigh, "direct"), "has no choice"],
])("%s is an alarm, and the flag is left out", async (_what, document, message) => {
  const set = await readFlagSet(document, methods);
  expect(set.keys).toEqual([]);
  expect(set.alarms).toMatchObject([{ kind: "unfit", message: expect.stringContaining(message) }]);
  for (const method of methods.values()) expect(set.ask(method, "p")).toBeUndefined();
});

test.each([
  ["that is switched off", { state: "DISABLED", variants: modes, defaultVariant: "async" }],
  ["without a default variant", { variants: modes }],
])("a flag %s leaves it to the proto", async (_what, flag) => {
  const set = await readFlagSet(flagOf(makeThing, flag), methods);
  expect(set.ask(flagMethod(makeThing), "p")).toMatchObject({ value: undefined, fault: undefined });
});

test("a flag whose targeting names no variant has a fault, and leaves it to the proto", async () => {
  const flag = { variants: modes, defaultVariant: "async", targeting: { fractional: [["nowhere", 1]] } };
  const set = await readFlagSet(flagOf(makeThing, flag), methods);
  expect(set.ask(flagMethod(makeThing), "p")).toMatchObject({
    value: undefined,
    fault: expect.stringContaining("nowhere"),
  });
});

describe("evaluators", () => {
  const flag = { state: "ENABLED", variants: modes, defaultVariant: "direct", targeting: { $ref: "e0" } };
  const withEvaluators = ($evaluators: object) =>
    readFlagSet(JSON.stringify({ $evaluators, flags: { [makeThing]: flag } }), methods);
  const twice = (name: string) => ({ if: [{ $ref: name }, { $ref: name }] });

  test("stand for what they say, those that refer to others too", async () => {
    const e1 = { ends_with: [{ var: "targetingKey" }, "a"] };
    const set = await withEvaluators({ e0: { if: [{ $ref: "e1" }, "async"] }, e1 });
    expect(["ada", "bob"].map((name) => set.ask(flagMethod(makeThing), name)?.value)).toEqual([
      "async",
      "direct",
    ]);
  });

  test("that would grow without end are refused before they do", async () => {
    const bomb = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`e${at}`, twice(`e${at + 1}`)]));
    await expect(withEvaluators(bomb)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("longer than"),
    });
    const quoting = { e0: { in: [{ var: "targetingKey" }, "$`".repeat(1_000)] } };
    await expect(withEvaluators(quoting)).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

/** JSON around what flag definitions look like, so that some are right. */
const nearlyRight = fc.record({
  flags: fc.dictionary(
    fc.constantFrom(makeThing, getThing, "__proto__", "constructor", ""),
    fc.record(
      {
        state: fc.constantFrom("ENABLED", "DISABLED", "?"),
        variants: fc.dictionary(
          fc.constantFrom("a", "b", "__proto__"),
          fc.oneof(fc.constantFrom("direct", "strong"), fc.jsonValue()),
        ),
        defaultVariant: fc.constantFrom("a", "b", "c"),
        targeting: fc.oneof(
          fc.jsonValue(),
          fc.dictionary(
            fc.constantFrom("if", "fractional", "var", "sem_ver", "starts_with", "reduce", "+", "$ref"),
            fc.jsonValue(),
          ),
        ),
      },
      { requiredKeys: [] },
    ),
  ),
});

test("whatever a text is, it is refused or asked without another error", async () => {
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    nearlyRight.map((value) => JSON.stringify(value)),
    fc.constant("[".repeat(200_000)),
  );
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      const set = await readFlagSet(text, methods).catch((error: unknown) => {
        expect(error).toMatchObject({ code: "invalid_argument" });
        return undefined;
      });
      for (const method of methods.values()) set?.ask(method, "p");
    }),
    { numRuns: 500 },
  );
});
