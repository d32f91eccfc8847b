import { expect, test } from "vitest";
import { parseTimestamp } from "./captured-event.ts";

test.each([
  ["2026-11-21 15:00:00+00", "2026-11-21T15:00:00.000Z"],
  ["2026-11-21 15:00:00.1+00", "2026-11-21T15:00:00.100Z"],
  ["2026-11-21 15:00:00.123456+00", "2026-11-21T15:00:00.123Z"],
  ["0001-01-01 00:00:00+00", "0001-01-01T00:00:00.000Z"],
])("a time that Postgres prints as %s is read", (text, time) => {
  expect(parseTimestamp(text)?.toISOString()).toBe(time);
});

test.each([null, "-infinity", "0044-03-15 12:00:00+00 BC"])("%s is no time to wait for", (text) => {
  expect(parseTimestamp(text)).toBeUndefined();
});

test.each(["infinity", "12026-01-01 00:00:00+00"])("%s is later than anybody waits", (text) => {
  expect(parseTimestamp(text)?.getTime()).toBe(8.64e15);
});
