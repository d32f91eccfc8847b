import fc from "fast-check";
import { expect, test } from "vitest";
import { formatLsn, parseLsn, toLsn } from "./lsn.ts";

const position = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

test("a position survives the round trip through text", () => {
  fc.assert(fc.property(position, (value) => parseLsn(formatLsn(toLsn(value))) === value));
});

test("positions order as high half, then low half", () => {
  const half = fc.integer({ min: 0, max: 0xffffffff });
  const text = (hi: number, lo: number) =>
    `${hi.toString(16).toUpperCase()}/${lo.toString(16).toUpperCase()}`;
  fc.assert(
    fc.property(half, half, half, half, (hiA, loA, hiB, loB) => {
      const before = hiA < hiB || (hiA === hiB && loA < loB);
      return parseLsn(text(hiA, loA)) < parseLsn(text(hiB, loB)) === before;
    }),
  );
});

test("positions order where their text does not", () => {
  expect(parseLsn("0/FFFFFF00") < parseLsn("1/28")).toBe(true);
  expect(formatLsn(parseLsn("16/b374d848"))).toBe("16/B374D848");
});

test.each(["", "/", "1", "1/", "/1", "g/1", "1/2/3", "123456789/0", " 1/2", "1/2\n"])(
  "refuses %j",
  (text) => {
    expect(() => parseLsn(text)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  },
);
