import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePercent, encodePercent } from "./percent-coding.ts";

describe("percent-coding of path segments", () => {
  it("encodes everything but unreserved characters, and keeps / in several segments", () => {
    expect(encodePercent("a/b c!'()*~_-.:é", false)).toBe("a%2Fb%20c%21%27%28%29%2A~_-.%3A%C3%A9");
    expect(encodePercent("a/b c", true)).toBe("a/b%20c");
  });

  it("leaves %2F as written in several segments only", () => {
    expect(decodePercent("a%2fb%2Fc%20d", true)).toBe("a%2fb%2Fc d");
    expect(decodePercent("a%2fb%2Fc%20d", false)).toBe("a/b/c d");
  });

  it.each(["%", "%2", "%zz", "%C0%A0", "%FF", "%ED%A0%80"])("refuses %s", (raw) => {
    expect(decodePercent(raw, false)).toBeUndefined();
    expect(decodePercent(raw, true)).toBeUndefined();
  });

  it("refuses half a surrogate pair", () => {
    expect(encodePercent("\ud800", false)).toBeUndefined();
  });

  it("decodes what it encoded", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.boolean(), (text, multi) => {
        expect(decodePercent(encodePercent(text, multi) ?? "", multi)).toBe(text);
      }),
    );
  });
});
