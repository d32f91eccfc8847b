import fc from "fast-check";
import { expect, test } from "vitest";
import { type BatchItemFailure, formatBatchFailures, parseBatchFailures } from "./batch-result.ts";

const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const parse = (value: unknown) => parseBatchFailures("application/json", bytes(value));

test("what is formatted is parsed again", () => {
  const failure: fc.Arbitrary<BatchItemFailure> = fc.record({
    eventId: fc.string(),
    status: fc.integer({ min: 100, max: 599 }),
    retryAfterSeconds: fc.option(fc.nat(), { nil: undefined }),
    detail: fc.option(fc.string({ maxLength: 100 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(failure), (failures) => {
      expect(parse(formatBatchFailures(failures))).toEqual(failures);
    }),
  );
});

test("reads an answer of AWS Lambda", () => {
  expect(parse({ batchItemFailures: [{ itemIdentifier: "a" }, { itemIdentifier: "b" }] })).toMatchObject([
    { eventId: "a", status: 500 },
    { eventId: "b", status: 500 },
  ]);
});

test("a status that is none counts as 500; a pause or detail that is none as absent", () => {
  const item = { itemIdentifier: "a", status: 9, retryAfterSeconds: -1, detail: 5 };
  expect(parse({ batchItemFailures: [item] })).toEqual([
    { eventId: "a", status: 500, retryAfterSeconds: undefined, detail: undefined },
  ]);
});

test("a long detail is cut, between characters", () => {
  const [failure] = parse(
    formatBatchFailures([{ eventId: "a", status: 500, detail: `${"x".repeat(255)}😀` }]),
  );
  expect(failure?.detail).toBe(`${"x".repeat(255)}\ufffd`);
});

test.each([
  "",
  "{",
  "null",
  "[]",
  '"ok"',
  "{}",
  '{"batchItemFailures":{}}',
  '{"batchItemFailures":[5,null,{}]}',
])("%j names no failure", (text) => {
  expect(parse(text)).toEqual([]);
});

test("a body of another type, or of bytes that are not text, names no failure", () => {
  const body = bytes(formatBatchFailures([{ eventId: "a", status: 500 }]));
  expect(parseBatchFailures("text/plain", body)).toEqual([]);
  expect(parseBatchFailures(undefined, body)).toEqual([]);
  expect(parseBatchFailures("Application/JSON; charset=utf-8", body)).toHaveLength(1);
  expect(parseBatchFailures("application/json", Uint8Array.of(...body.subarray(0, 5), 0xff))).toEqual([]);
});

test("no body makes it throw", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      expect(Array.isArray(parse(text))).toBe(true);
    }),
  );
});
