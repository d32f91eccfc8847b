import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { DeliverySchema } from "../../gen/quartet/v1/options_pb.ts";
import { deliverySettings } from "../push/backoff.ts";
import { testSubscription } from "../push/test-push.ts";
import { withCallbackDefaults } from "./callback-endpoint.ts";

const settingsOf = (delivery?: Parameters<typeof create<typeof DeliverySchema>>[1]) => {
  const subscription = testSubscription({ name: "callbacks", endpoint: "callback:" });
  const given = delivery === undefined ? {} : { delivery: create(DeliverySchema, delivery) };
  const settled = withCallbackDefaults({ ...subscription, ...given });
  return { ...deliverySettings(settled.delivery), concurrency: settled.concurrency };
};

test("callbacks are tried for half an hour, whatever else an operator has set", () => {
  expect(settingsOf()).toMatchObject({ retry: 50, delayMs: 1_000, concurrency: 64, timeoutMs: 10_000 });
  expect(settingsOf({ timeout: durationFromMs(5_000) })).toMatchObject({ retry: 50, timeoutMs: 5_000 });
  expect(settingsOf({ retry: 3 })).toMatchObject({ retry: 3, delayMs: 1_000 });
});
