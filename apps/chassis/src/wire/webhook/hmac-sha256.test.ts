import { createHmac, createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hmacSha256 } from "./hmac-sha256.ts";
import { parseSecret, type WebhookSecret } from "./webhook-secret.ts";

/** Keys of RFC 4231 are shorter than a webhook's may be. */
const keyOf = (hex: string) => createSecretKey(Buffer.from(hex, "hex")) as WebhookSecret;

describe("hmacSha256", () => {
  // RFC 4231, 4.2 to 4.5: those whose keys fit a block.
  it.each([
    [
      "0b".repeat(20),
      Buffer.from("Hi There"),
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ],
    [
      "4a656665",
      Buffer.from("what do ya want for nothing?"),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ],
    [
      "aa".repeat(20),
      Buffer.alloc(50, 0xdd),
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ],
    [
      "0102030405060708090a0b0c0d0e0f10111213141516171819",
      Buffer.alloc(50, 0xcd),
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ],
  ])("gives the digest of RFC 4231 for the key %s", (key, data, digest) => {
    const secret = keyOf(key);
    expect(Buffer.from(hmacSha256(secret, "", data), "base64").toString("hex")).toBe(digest);
  });

  it("is what createHmac gives, of keys and bodies of any length, one after the other", () => {
    const key = fc.uint8Array({ minLength: 24, maxLength: 64 });
    const length = fc.oneof(fc.nat(200), fc.integer({ min: 4_000, max: 4_200 }));
    fc.assert(
      fc.property(
        key,
        fc.stringMatching(/^[!-~]{0,300}$/),
        length,
        fc.nat(255),
        (bytes, head, size, fill) => {
          const body = Buffer.alloc(size, fill);
          const secret = parseSecret(`whsec_${Buffer.from(bytes).toString("base64")}`);
          const expected = createHmac("sha256", bytes).update(head).update(body).digest("base64");
          expect(hmacSha256(secret, head, body)).toBe(expected);
          expect(hmacSha256(secret, head, body)).toBe(expected);
        },
      ),
    );
  });
});
