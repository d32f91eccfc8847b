import { expect, test } from "vitest";
import { defaultRetention } from "../relay/housekeeping/retention-settings.ts";
import { readRetention } from "./read-retention.ts";

test("what is named is kept for so long, and the rest for as long as ever", () => {
  const faults: string[] = [];
  expect(readRetention("log=3d, hold=14d,inbox=96h", faults)).toEqual({
    ...defaultRetention,
    logKeepSeconds: 259_200,
    logHoldSeconds: 1_209_600,
    inboxKeepSeconds: 345_600,
  });
  expect(faults).toEqual([]);
});

test.each(["log", "log=", "log=5", "log=59m", "events=7d", "constructor=7d", "log=7d,,hold=9d"])(
  "%j is refused in words",
  (text) => {
    const faults: string[] = [];
    readRetention(text, faults);
    expect(faults).toEqual([expect.stringContaining("QUARTET_RETENTION")]);
  },
);

test("nothing is dropped before it may be", () => {
  const faults: string[] = [];
  readRetention("log=14d,hold=7d", faults);
  expect(faults).toEqual([expect.stringContaining("hold is shorter")]);
});
