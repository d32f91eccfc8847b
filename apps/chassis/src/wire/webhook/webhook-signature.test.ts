import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import { parseSecret, signWebhook, verifyWebhook, type WebhookHeaders } from "./webhook-signature.ts";

// The vector of the Standard Webhooks reference libraries ("sign function works").
const vector = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1614265330,
  body: Buffer.from('{"test": 2432232314}'),
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
const secret = parseSecret(vector.secret);
const other = parseSecret(`whsec_${Buffer.alloc(32, 7).toString("base64")}`);
const headers: WebhookHeaders = {
  "webhook-id": vector.id,
  "webhook-timestamp": String(vector.timestamp),
  "webhook-signature": vector.signature,
};

function refusal(run: () => void): QuartetError {
  try {
    run();
  } catch (error) {
    if (error instanceof QuartetError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const verify = (changed: WebhookHeaders = {}, now = vector.timestamp, body: Uint8Array = vector.body) =>
  verifyWebhook([secret], { ...headers, ...changed }, body, now);

describe("parseSecret", () => {
  it("takes 24 to 64 bytes", () => {
    for (const bytes of [24, 25, 26, 64]) {
      const key = parseSecret(`whsec_${Buffer.alloc(bytes, 1).toString("base64")}`);
      expect(key.symmetricKeySize).toBe(bytes);
    }
  });

  it.each([
    "",
    "whsec_",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
    `whsec_${Buffer.alloc(23, 1).toString("base64")}`,
    `whsec_${Buffer.alloc(65, 1).toString("base64")}`,
    `whsec_${Buffer.alloc(32, 255).toString("base64url")}`,
  ])("refuses %j without repeating it", (text) => {
    const error = refusal(() => parseSecret(text));
    expect(error.code).toBe("invalid_argument");
    const tail = text.replace(/^whsec_/i, "").trim();
    if (tail !== "") expect(inspect(error)).not.toContain(tail);
  });

  it("gives a key that prints none of its bytes", () => {
    expect(inspect(secret, { showHidden: true, depth: 5 })).not.toMatch(/MfKQ|49, 242|31f290/);
    expect(JSON.stringify(secret)).toBe("{}");
  });
});

describe("signWebhook", () => {
  it("gives the signature of the reference vector", () => {
    expect(signWebhook([secret], vector.id, vector.timestamp, vector.body)).toBe(vector.signature);
  });

  it("signs with each secret, in order", () => {
    const [first, second, ...more] = signWebhook(
      [other, secret],
      vector.id,
      vector.timestamp,
      vector.body,
    ).split(" ");
    expect(first).toBe(signWebhook([other], vector.id, vector.timestamp, vector.body));
    expect(second).toBe(vector.signature);
    expect(more).toEqual([]);
  });

  it("tells bodies apart that are the same when read as UTF-8", () => {
    const sign = (body: Uint8Array) => signWebhook([secret], "m", 1, body);
    expect(sign(Uint8Array.of(0xff))).not.toBe(sign(Uint8Array.of(0xfe)));
  });

  it.each<[string, () => unknown]>([
    ["no secret", () => signWebhook([], "m", 1, vector.body)],
    ["an empty id", () => signWebhook([secret], "", 1, vector.body)],
    ["an id with a full stop", () => signWebhook([secret], "a.1", 1, vector.body)],
    ["an id with a line break", () => signWebhook([secret], "a\r\nb", 1, vector.body)],
    ["an id that is not ASCII", () => signWebhook([secret], "é", 1, vector.body)],
    ["a fraction of a second", () => signWebhook([secret], "m", 1.5, vector.body)],
    ["a time before 1970", () => signWebhook([secret], "m", -1, vector.body)],
    ["no number", () => signWebhook([secret], "m", Number.NaN, vector.body)],
  ])("refuses %s", (_, run) => {
    expect(refusal(run).code).toBe("invalid_argument");
  });
});

describe("verifyWebhook", () => {
  it("accepts the reference vector, up to the tolerance in both directions", () => {
    verify();
    verify({}, vector.timestamp + 300);
    verify({}, vector.timestamp - 300);
    verifyWebhook([secret], headers, vector.body, vector.timestamp + 10, 10);
  });

  it("accepts the right one of several signatures, and ignores other versions", () => {
    const wrong = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    const right = vector.signature;
    verify({ "webhook-signature": `v1,${wrong} v2,${wrong} v1a,${wrong} ${right} v1,${wrong}` });
    expect(refusal(() => verify({ "webhook-signature": right.replace("v1", "v2") })).code).toBe(
      "unauthenticated",
    );
  });

  it("accepts any of several secrets", () => {
    verifyWebhook([other, secret], headers, vector.body, vector.timestamp);
    verifyWebhook([secret, other], headers, vector.body, vector.timestamp);
  });

  it("accepts headers in any case and as a list of one", () => {
    const { "webhook-id": id, ...rest } = headers;
    verifyWebhook([secret], { ...rest, "Webhook-Id": [String(id)] }, vector.body, vector.timestamp);
  });

  it.each<[string, WebhookHeaders, string]>([
    ["no id", { "webhook-id": undefined }, "webhook-id"],
    ["an empty id", { "webhook-id": "" }, "webhook-id"],
    ["two ids", { "webhook-id": [vector.id, vector.id] }, "webhook-id"],
    ["two ids in two cases", { "Webhook-ID": vector.id }, "webhook-id"],
    ["an id with a full stop", { "webhook-id": "a.b" }, "webhook-id"],
    ["another id", { "webhook-id": "msg_x" }, "webhook-signature"],
    ["no timestamp", { "webhook-timestamp": undefined }, "webhook-timestamp"],
    ["a timestamp in words", { "webhook-timestamp": "hello" }, "webhook-timestamp"],
    ["a hexadecimal timestamp", { "webhook-timestamp": "0x60379232" }, "webhook-timestamp"],
    ["a padded timestamp", { "webhook-timestamp": `0${vector.timestamp}` }, "webhook-timestamp"],
    ["another timestamp", { "webhook-timestamp": String(vector.timestamp + 1) }, "webhook-signature"],
    ["no signature", { "webhook-signature": undefined }, "webhook-signature"],
    ["an empty signature", { "webhook-signature": "v1," }, "webhook-signature"],
    ["half a signature", { "webhook-signature": vector.signature.slice(0, 20) }, "webhook-signature"],
    ["an unpadded signature", { "webhook-signature": vector.signature.slice(0, -1) }, "webhook-signature"],
    ["a bare signature", { "webhook-signature": vector.signature.slice(3) }, "webhook-signature"],
  ])("refuses %s", (_, changed, field) => {
    const error = refusal(() => verify(changed));
    expect(error.code).toBe("unauthenticated");
    expect(error.field).toBe(field);
  });

  it("refuses what is too old, too new, or measured by no clock", () => {
    for (const now of [
      vector.timestamp + 301,
      vector.timestamp - 301,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ]) {
      expect(refusal(() => verify({}, now)).field).toBe("webhook-timestamp");
    }
  });

  it("refuses everything when there is no secret", () => {
    expect(refusal(() => verifyWebhook([], headers, vector.body, vector.timestamp)).code).toBe(
      "unauthenticated",
    );
  });

  it("accepts what was signed and refuses any other body, id, time or secret", () => {
    const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
    const key = fc.uint8Array({ minLength: 24, maxLength: 64 }).map((bytes) => {
      return parseSecret(`whsec_${Buffer.from(bytes).toString("base64")}`);
    });
    fc.assert(
      fc.property(
        key,
        key,
        id,
        fc.nat(),
        fc.uint8Array(),
        fc.uint8Array(),
        (mine, theirs, msg, time, body, tampered) => {
          const signed = {
            "webhook-id": msg,
            "webhook-timestamp": String(time),
            "webhook-signature": signWebhook([mine], msg, time, body),
          };
          verifyWebhook([mine], signed, body, time);
          const fails = (run: () => void) => expect(refusal(run).code).toBe("unauthenticated");
          if (!mine.equals(theirs)) fails(() => verifyWebhook([theirs], signed, body, time));
          if (Buffer.compare(body, tampered) !== 0)
            fails(() => verifyWebhook([mine], signed, tampered, time));
          fails(() => verifyWebhook([mine], { ...signed, "webhook-id": `${msg}x` }, body, time));
          fails(() =>
            verifyWebhook([mine], { ...signed, "webhook-timestamp": String(time + 1) }, body, time),
          );
        },
      ),
    );
  });

  it("throws nothing but QuartetError, whatever the headers", () => {
    const value = fc.oneof(fc.string({ unit: "binary" }), fc.array(fc.string()), fc.constant(undefined));
    const names = fc.constantFrom(
      "webhook-id",
      "webhook-timestamp",
      "webhook-signature",
      "Webhook-Id",
      "__proto__",
    );
    fc.assert(
      fc.property(fc.dictionary(names, value), fc.double(), (given, now) => {
        expect(refusal(() => verifyWebhook([secret], given, vector.body, now)).code).toBe("unauthenticated");
      }),
    );
  });
});
