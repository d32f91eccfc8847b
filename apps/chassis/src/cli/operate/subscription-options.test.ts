import { create, toJson } from "@bufbuild/protobuf";
import { Command } from "commander";
import { expect, test } from "vitest";
import { SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { checkSubscription } from "../../relay/subscription/check-subscription.ts";
import { readSettings, type SettingsOptions, withSettings } from "./subscription-options.ts";

/** What options make of a subscription, as JSON, and the paths that an update names. */
function read(args: readonly string[], requires: Parameters<typeof withSettings>[1] = "nothing required") {
  const command = withSettings(
    new Command("test").exitOverride().configureOutput({ writeErr: () => undefined }),
    requires,
  );
  command.parse([...args], { from: "user" });
  const { fields, paths } = readSettings(command.opts<SettingsOptions>());
  const subscription = create(SubscriptionSchema, { endpoint: "class:micro", ...fields });
  checkSubscription(subscription);
  const { endpoint, ...json } = toJson(SubscriptionSchema, subscription) as Record<string, unknown>;
  return { json: endpoint === "class:micro" ? json : { endpoint, ...json }, paths };
}

test.each<[args: string[], json: object, paths: string[]]>([
  [[], {}, []],
  [["--endpoint", "https://x.example/"], { endpoint: "https://x.example/" }, ["endpoint"]],
  [["--type", "a.A", "--type", "b.B"], { types: ["a.A", "b.B"] }, ["types"]],
  [["--type-prefix", "a.", "--type-prefix", "b."], { typePrefixes: ["a.", "b."] }, ["type_prefixes"]],
  [
    ["--filter", '{"prefix":{"subject":"o"}}', "--filter", '{"not":{"exact":{"type":"a.A"}}}'],
    { filters: [{ prefix: { subject: "o" } }, { not: { exact: { type: "a.A" } } }] },
    ["filters"],
  ],
  [["--mode", "binary"], { mode: "CONTENT_MODE_BINARY" }, ["mode"]],
  [["--mode", "structured"], { mode: "CONTENT_MODE_STRUCTURED" }, ["mode"]],
  [["--mode", "batch"], { mode: "CONTENT_MODE_BATCH" }, ["mode"]],
  [["--batch-events", "7"], { batch: { maxEvents: 7 } }, ["batch.max_events"]],
  [["--batch-wait", "250ms"], { batch: { maxWait: "0.250s" } }, ["batch.max_wait"]],
  [
    ["--batch-events", "7", "--batch-wait", "0s"],
    { batch: { maxEvents: 7, maxWait: "0s" } },
    ["batch.max_events", "batch.max_wait"],
  ],
  [["--order", "key"], { order: "DELIVERY_ORDER_KEY" }, ["order"]],
  [["--order", "none"], { order: "DELIVERY_ORDER_NONE" }, ["order"]],
  [["--order", "total"], { order: "DELIVERY_ORDER_TOTAL" }, ["order"]],
  [["--concurrency", "3"], { concurrency: 3 }, ["concurrency"]],
  [["--rate", "0.5"], { rate: 0.5 }, ["rate"]],
  [["--rate", "0"], {}, ["rate"]],
  [["--retry", "3"], { delivery: { retry: 3 } }, ["delivery.retry"]],
  [
    ["--backoff-policy", "linear"],
    { delivery: { backoffPolicy: "BACKOFF_POLICY_LINEAR" } },
    ["delivery.backoff_policy"],
  ],
  [["--backoff-delay", "0s"], { delivery: { backoffDelay: "0s" } }, ["delivery.backoff_delay"]],
  [["--timeout", "PT3S"], { delivery: { timeout: "3s" } }, ["delivery.timeout"]],
  [["--retry-after-max", "2m"], { delivery: { retryAfterMax: "120s" } }, ["delivery.retry_after_max"]],
  [
    ["--retry", "3", "--timeout", "1s", "--backoff-policy", "exponential"],
    { delivery: { retry: 3, timeout: "1s", backoffPolicy: "BACKOFF_POLICY_EXPONENTIAL" } },
    ["delivery.retry", "delivery.backoff_policy", "delivery.timeout"],
  ],
  [["--data", "json"], { dataFormat: "EVENT_DATA_FORMAT_JSON" }, ["data_format"]],
  [["--data", "protobuf"], { dataFormat: "EVENT_DATA_FORMAT_PROTOBUF" }, ["data_format"]],
  [["--max-data", "10"], { maxDataBytes: 10 }, ["max_data_bytes"]],
  [["--replies"], { replies: true }, ["replies"]],
  [["--no-replies"], {}, ["replies"]],
  [["--attempts", "all"], { attemptLog: "ATTEMPT_LOG_ALL" }, ["attempt_log"]],
  [["--attempts", "failures"], { attemptLog: "ATTEMPT_LOG_FAILURES" }, ["attempt_log"]],
])("%j", (args, json, paths) => {
  expect(read(args)).toEqual({ json, paths });
});

test.each([
  [["--mode", "push"]],
  [["--order", "KEY"]],
  [["--concurrency", "0"]],
  [["--retry", "0"]],
  [["--retry", "-1"]],
  [["--batch-events", "1.5"]],
  [["--rate", "fast"]],
  [["--timeout", "10"]],
  [["--data", "xml"]],
  [["--attempts", "none"]],
  [["--filter", "{"]],
  [["--filter", "[]"]],
  [["--filter", '{"exact":{"type":7}}']],
  [["--filter", '{"exactly":{}}']],
  [["--filter", `${'{"not":'.repeat(5_000)}{}${"}".repeat(5_000)}`]],
  [["--unheard"]],
])("%j is refused", (args) => {
  expect(() => read(args)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^commander\./) }));
});

test("an endpoint is required where one is created", () => {
  expect(() => read(["--type", "a.A"], "endpoint required")).toThrow("--endpoint");
});
