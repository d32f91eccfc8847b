import type { IncomingHttpHeaders } from "node:http";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { QuartetError } from "../error/quartet-error.ts";
import { type CallMeta, readCallMeta } from "./call-meta.ts";

const names = [
  "prefer",
  "connect-timeout-ms",
  "quartet-mode",
  "authorization",
  "idempotency-key",
  "quartet-position",
  "traceparent",
  "if-match",
  "if-none-match",
] as const;
/** Node reads header values as latin1. */
const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 300,
});
const value = fc.oneof(
  latin1,
  fc.constantFrom('"', '""', '"\\"', "wait=", "respond-async, wait=5", "1e9", "-1", "999999999999"),
);

describe("readCallMeta", () => {
  test("of random headers is a meta with bounds, or a QuartetError that names a header", () => {
    const headers = fc.record(
      Object.fromEntries(names.map((name) => [name, fc.oneof(value, fc.array(value, { maxLength: 2 }))])),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(headers, (random) => {
        try {
          requireBounds(readCallMeta(random as IncomingHttpHeaders, 1_000));
        } catch (error) {
          if (!(error instanceof QuartetError)) throw error;
          expect(error.code).toBe("invalid_argument");
          expect(names).toContain(error.field?.toLowerCase());
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("of no headers has the defaults", () => {
    expect(readCallMeta({}, 1_000)).toEqual({
      principal: "anonymous",
      idempotencyKey: undefined,
      respondAsync: false,
      waitMs: undefined,
      routedMode: undefined,
      position: undefined,
      expectedVersion: undefined,
      knownTags: undefined,
      deadlineMs: 11_000,
      traceparent: undefined,
    });
  });

  test.each([
    ['"abc"', "abc"],
    ["abc", "abc"],
    ["8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ['"with space"', "with space"],
    ['"a\\"b\\\\c"', 'a"b\\c'],
    [`"${"x".repeat(255)}"`, "x".repeat(255)],
  ])("takes the idempotency key %s", (text, key) => {
    expect(readCallMeta({ "idempotency-key": text }).idempotencyKey).toBe(key);
  });

  test.each([
    "",
    '""',
    '"',
    'a"b',
    "with space",
    '"a"b"',
    '"\\a"',
    "é",
    "x".repeat(256),
    '"tab\t"',
    '"a", "b"',
  ])("refuses the idempotency key %j", (text) => {
    expect(() => readCallMeta({ "idempotency-key": text })).toThrow(
      expect.objectContaining({ code: "invalid_argument", field: "Idempotency-Key" }),
    );
  });

  test.each<[string, boolean, number | undefined]>([
    ["respond-async", true, undefined],
    ["Respond-Async, Wait=10", true, 10_000],
    ["wait=0", false, 0],
    ["wait=999999", false, 60_000],
    ["wait=x, return=minimal", false, undefined],
    ["wait=1, wait=2", false, 1_000],
  ])("reads Prefer: %s", (prefer, respondAsync, waitMs) => {
    expect(readCallMeta({ prefer })).toMatchObject({ respondAsync, waitMs });
  });

  test.each([
    ["500", 1_500],
    ["0", 1_000],
    ["9999999999", 61_000],
  ])("Connect-Timeout-Ms: %s is a deadline, bounded", (timeout, deadlineMs) => {
    expect(readCallMeta({ "connect-timeout-ms": timeout }, 1_000).deadlineMs).toBe(deadlineMs);
  });

  test("the same credentials are the same principal, which does not tell them", () => {
    const principal = (authorization: string) => readCallMeta({ authorization }).principal;
    expect(principal("Bearer a")).toBe(principal("Bearer a"));
    expect(principal("Bearer a")).not.toBe(principal("Bearer b"));
    expect(principal("Bearer a")).not.toContain("a".repeat(8));
    expect(principal("Bearer a")).toMatch(/^[0-9a-f]{32}$/);
  });

  test("an unknown mode is no mode", () => {
    expect(readCallMeta({ "quartet-mode": "async" }).routedMode).toBe("async");
    expect(readCallMeta({ "quartet-mode": "toString" }).routedMode).toBeUndefined();
  });
});

function requireBounds(meta: CallMeta): void {
  expect(meta.deadlineMs).toBeGreaterThanOrEqual(1_000);
  expect(meta.deadlineMs).toBeLessThanOrEqual(61_000);
  expect(meta.waitMs ?? 0).toBeLessThanOrEqual(60_000);
  if (meta.idempotencyKey !== undefined) expect(meta.idempotencyKey).toMatch(/^[\x20-\x7e]{1,255}$/);
}
