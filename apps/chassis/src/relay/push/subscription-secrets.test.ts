import { createHmac } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { SecretSeedSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { parseSecret, signWebhook, verifyWebhook } from "../../wire/webhook/webhook-signature.ts";
import { activeSecrets, printableSecret } from "./subscription-secrets.ts";

const deployment = [1, 2].map((byte) => parseSecret(`whsec_${Buffer.alloc(32, byte).toString("base64")}`));
const [newest] = deployment.map((secret) => [secret]);
if (newest === undefined) throw new Error("no secret");

const seed = (text: string, expiresMs?: number) => {
  const expireTime = expiresMs === undefined ? {} : { expireTime: timestampFromMs(expiresMs) };
  return create(SecretSeedSchema, { seed: text, ...expireTime });
};
const of = (seeds: ReturnType<typeof seed>[], name = "billing", replayOf = "") => {
  return { name, secretSeeds: seeds, replayOf };
};
const printed = (subscription: ReturnType<typeof of>, nowMs = 0, secrets = newest) => {
  return activeSecrets(secrets, subscription, nowMs).secrets.map(printableSecret);
};

test("a secret is made of the deployment's, the subscription's name and the seed", () => {
  const derive = (text: string) => {
    const [secret] = newest;
    return `whsec_${createHmac("sha256", secret ?? "")
      .update(text)
      .digest("base64")}`;
  };
  expect(printed(of([]))).toEqual([derive("subscription\0billing")]);
  expect(printed(of([seed("")]))).toEqual([derive("subscription\0billing")]);
  expect(printed(of([seed("s1")]))).toEqual([derive("subscription\0billing\0s1")]);
});

test("each subscription, seed and deployment secret makes another secret", () => {
  const all = [
    ...printed(of([]), 0, deployment),
    ...printed(of([], "billing2")),
    ...printed(of([seed("a")])),
    ...printed(of([seed("b")])),
  ];
  expect(new Set(all).size).toBe(5);
});

test("while secrets rotate both sign, the newest first, and the old one until it expires", () => {
  const rotating = of([seed("new"), seed("old", 1_000), seed("older", 500)]);
  const [fresh = "", old = "", older = ""] = printed(rotating, 499);
  expect([fresh, old, older]).not.toContain("");
  expect(activeSecrets(newest, rotating, 499).validUntilMs).toBe(500);
  expect(printed(rotating, 500)).toEqual([fresh, old]);
  expect(activeSecrets(newest, rotating, 500).validUntilMs).toBe(1_000);
  expect(printed(rotating, 1_000)).toEqual([fresh]);
  expect(activeSecrets(newest, rotating, 1_000).validUntilMs).toBe(Number.POSITIVE_INFINITY);
  const { secrets } = activeSecrets(newest, rotating, 0);
  const body = Buffer.from("{}");
  const headers = {
    "webhook-id": "e",
    "webhook-timestamp": "7",
    "webhook-signature": signWebhook(secrets, "e", 7, body),
  };
  for (const secret of secrets) verifyWebhook([secret], headers, body, 7);
});

test("the newest signs even when it is marked as expired", () => {
  expect(printed(of([seed("only", 1)]), 2)).toHaveLength(1);
});

test("seeds come before the deployment's secrets: what a subscriber was told last signs first", () => {
  const both = of([seed("new"), seed("old")]);
  const [first, , third] = printed(both, 0, deployment);
  expect([first]).toEqual(printed(of([seed("new")])));
  expect([third]).toEqual(printed(of([seed("old")])));
});

test("a replay signs as the subscription it replays", () => {
  expect(printed(of([], "billing~1", "billing"))).toEqual(printed(of([])));
});

test("a printed secret is the secret", () => {
  const [secret = ""] = printed(of([]));
  expect(printableSecret(parseSecret(secret))).toBe(secret);
});
