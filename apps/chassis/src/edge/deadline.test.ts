import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noteDeadline, notedDeadline, readDeadline } from "./deadline.ts";
import { readPrefer } from "./prefer.ts";

const read = (headers: Record<string, string>, defaultMs = 10_000) =>
  readDeadline(headers, readPrefer(headers["prefer"]), defaultMs, 0);

describe("readDeadline", () => {
  test.each([
    [{}, 10_000],
    [{ "connect-timeout-ms": "250" }, 250],
    [{ "connect-timeout-ms": "9999999999" }, 60_000],
    [{ "grpc-timeout": "3S" }, 3_000],
    [{ "grpc-timeout": "1500m" }, 1_500],
    [{ "grpc-timeout": "2000000u" }, 2_000],
    [{ "grpc-timeout": "99999999H" }, 60_000],
    [{ prefer: "wait=3" }, 3_000],
    [{ prefer: "wait=30" }, 30_000],
    [{ prefer: "wait=0" }, 10_000],
    [{ prefer: "wait=30", "connect-timeout-ms": "700", "grpc-timeout": "2S" }, 700],
    [{ prefer: "respond-async, wait=1" }, 10_000],
    [{ prefer: "respond-async, wait=30" }, 30_000],
    [{ prefer: "respond-async, wait=30", "grpc-timeout": "2S" }, 2_000],
  ])("of %j is in %i ms", (headers, expected) => {
    expect(read(headers)).toBe(expected);
  });

  test.each([
    ["connect-timeout-ms", "1e3"],
    ["grpc-timeout", "5"],
    ["grpc-timeout", "123456789m"],
  ])("refuses %s: %s", (name, value) => {
    expect(() => read({ [name]: value })).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });

  test("is never later than any header allows, and stays what it was once it is noted", () => {
    const timeout = fc.integer({ min: 0, max: 99_999_999 });
    fc.assert(
      fc.property(timeout, timeout, (connect, grpc) => {
        const headers = { "connect-timeout-ms": String(connect), "grpc-timeout": `${grpc}m` };
        const deadlineMs = read(headers);
        expect(deadlineMs).toBe(Math.min(connect, grpc, 60_000));
        noteDeadline(headers, deadlineMs);
        expect(Object.keys(headers)).toEqual(["quartet-deadline"]);
        expect(notedDeadline(headers)).toBe(deadlineMs);
      }),
    );
  });
});
