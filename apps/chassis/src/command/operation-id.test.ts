import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createOperationId,
  createUnaskedId,
  deriveOperationId,
  fingerprintOf,
  isIssued,
} from "./operation-id.ts";

const secret = Buffer.from("a secret of this deployment");
const scope = fc.record({ principal: fc.string(), method: fc.string(), key: fc.string() });

describe("an operation's id", () => {
  test("is 40 hex digits that this deployment issued, another each time", () => {
    const ids = Array.from({ length: 100 }, () => createOperationId(secret));
    expect(new Set(ids).size).toBe(100);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{40}$/);
      expect(isIssued(secret, id)).toBe(true);
    }
  });

  test("of one principal, method and key is always the same", () => {
    fc.assert(
      fc.property(scope, (value) => {
        const id = deriveOperationId(secret, value);
        expect(deriveOperationId(secret, { ...value })).toBe(id);
        expect(isIssued(secret, id)).toBe(true);
      }),
    );
  });

  test("differs when principal, method or key do, wherever one ends and the next begins", () => {
    fc.assert(
      fc.property(scope, scope, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        expect(deriveOperationId(secret, a) === deriveOperationId(secret, b)).toBe(same);
      }),
    );
    const shifted = [
      { principal: "a", method: "b", key: "c" },
      { principal: "ab", method: "", key: "c" },
      { principal: "a", method: "bc", key: "" },
      { principal: 'a","b', method: "", key: "c" },
    ];
    expect(new Set(shifted.map((each) => deriveOperationId(secret, each))).size).toBe(4);
  });

  test("changed in any digit is not issued", () => {
    const id = createOperationId(secret);
    for (let index = 0; index < id.length; index++) {
      const digit = id[index] === "0" ? "1" : "0";
      expect(isIssued(secret, id.slice(0, index) + digit + id.slice(index + 1))).toBe(false);
    }
  });

  test("of another deployment is not issued", () => {
    expect(isIssued(Buffer.from("another"), createOperationId(secret))).toBe(false);
  });

  test("of a command that nobody can ask for is not issued", () => {
    const ids = Array.from({ length: 100 }, createUnaskedId);
    expect(new Set(ids).size).toBe(100);
    expect(ids.filter((id) => isIssued(secret, id))).toEqual([]);
  });

  test("is no random text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(isIssued(secret, text)).toBe(false);
      }),
    );
    expect(isIssued(secret, createOperationId(secret).toUpperCase())).toBe(false);
    expect(isIssued(secret, `${createOperationId(secret)}\n`)).toBe(false);
  });
});

test("a fingerprint is of the method and the request", () => {
  expect(fingerprintOf("a/B", "{}")).toMatch(/^[0-9a-f]{64}$/);
  expect(fingerprintOf("a/B", "{}")).toBe(fingerprintOf("a/B", "{}"));
  expect(
    new Set([fingerprintOf("a/B", "{}"), fingerprintOf("a/C", "{}"), fingerprintOf("a/B", "[]")]).size,
  ).toBe(3);
});
