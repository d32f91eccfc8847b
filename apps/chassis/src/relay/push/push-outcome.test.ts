import { expect, test } from "vitest";
import { classifyStatus, parseRetryAfter } from "./push-outcome.ts";

test.each([
  [200, "acknowledged"],
  [204, "acknowledged"],
  [301, "refused"],
  [400, "refused"],
  [401, "refused"],
  [404, "retry"],
  [408, "retry"],
  [409, "retry"],
  [410, "gone"],
  [412, "refused"],
  [422, "refused"],
  [425, "retry"],
  [429, "away"],
  [500, "retry"],
  [502, "away"],
  [503, "away"],
  [504, "retry"],
] as const)("%d from a stranger means %s", (status, kind) => {
  expect(classifyStatus(status, false)).toBe(kind);
});

test("a class of our own that refuses the secret or is another class is a fault of the deployment", () => {
  expect([classifyStatus(401, true), classifyStatus(421, true)]).toEqual(["away", "away"]);
});

test("Retry-After is seconds or a date", () => {
  const now = Date.UTC(2026, 0, 1);
  expect(parseRetryAfter("3", now)).toBe(3_000);
  expect(parseRetryAfter("Thu, 01 Jan 2026 00:00:10 GMT", now)).toBe(10_000);
  expect(parseRetryAfter("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
  expect(parseRetryAfter("soon", now)).toBeUndefined();
});
