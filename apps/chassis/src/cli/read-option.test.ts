import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import {
  oneOf,
  readCount,
  readDurationMs,
  readRate,
  readRateLimit,
  readSequence,
  readStart,
  readTime,
} from "./read-option.ts";

test.each([
  ["250ms", 250],
  ["10s", 10_000],
  ["5m", 300_000],
  ["24h", 86_400_000],
  ["7d", 604_800_000],
  ["PT10S", 10_000],
  ["PT0.25S", 250],
  ["P1DT2H3M4S", 93_784_000],
])("%s is a duration", (text, ms) => {
  expect(readDurationMs(text)).toBe(ms);
});

test.each(["", "10", "s", "-5s", "1.5s", "P", "PT", "P1M", "P1Y", "10 s", "1w", "1e3s"])(
  "%j is none",
  (text) => {
    expect(() => readDurationMs(text)).toThrow(InvalidArgumentError);
  },
);

test("a time is RFC 3339, or as long before now", () => {
  expect(readTime("2031-05-01T12:00:00Z").toISOString()).toBe("2031-05-01T12:00:00.000Z");
  const hours = (Date.now() - readTime("2h").getTime()) / 3_600_000;
  expect(Math.round(hours)).toBe(2);
  for (const text of [
    "",
    "yesterday",
    "2031-13-01T00:00:00Z",
    "12",
    "0000-01-01",
    "9999999d",
    "999999999d",
  ]) {
    expect(() => readTime(text), text).toThrow(InvalidArgumentError);
  }
});

test("a start is now, the beginning, a sequence or a time", () => {
  expect(readStart("now")).toBeUndefined();
  expect(readStart("beginning")).toEqual({ case: "fromBeginning", value: true });
  expect(readStart("42")).toEqual({ case: "fromSequence", value: 42n });
  expect(readStart("2031-05-01T12:00:00Z")).toEqual({
    case: "fromTime",
    value: new Date("2031-05-01T12:00:00Z"),
  });
  expect(() => readStart("soon")).toThrow(InvalidArgumentError);
});

test("numbers are what they look like", () => {
  expect([readCount("1"), readRate("0.5"), readSequence("123456789012345678")]).toEqual([
    1,
    0.5,
    123456789012345678n,
  ]);
  for (const read of [readCount, readRate, readRateLimit, readSequence]) {
    for (const text of ["", "-1", "0x10", "1e3", "NaN", "9".repeat(30)]) {
      expect(() => read(text), text).toThrow(InvalidArgumentError);
    }
  }
  for (const read of [readRate, readCount]) expect(() => read("0")).toThrow(InvalidArgumentError);
  expect(readRateLimit("0")).toBe(0);
  expect(() => oneOf("a", "b")("c")).toThrow("It takes one of: a, b.");
});
