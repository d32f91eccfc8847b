import { fromJson, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Command, InvalidArgumentError } from "commander";
import { ContentMode, Delivery_BackoffPolicy, DeliveryOrder } from "../../gen/quartet/v1/options_pb.ts";
import {
  AttemptLog,
  EventDataFormat,
  type EventFilter,
  EventFilterSchema,
  type SubscriptionSchema,
} from "../../gen/quartet/v1/subscription_pb.ts";
import { collect, oneOf, readCount, readDurationMs, readRateLimit } from "../read-option.ts";

/** Values of the options that {@link withSettings} adds. */
export interface SettingsOptions {
  readonly endpoint?: string;
  readonly type?: readonly string[];
  readonly typePrefix?: readonly string[];
  readonly filter?: readonly EventFilter[];
  readonly mode?: "binary" | "structured" | "batch";
  readonly batchEvents?: number;
  readonly batchWait?: number;
  readonly order?: "key" | "none" | "total";
  readonly concurrency?: number;
  readonly rate?: number;
  readonly retry?: number;
  readonly backoffPolicy?: "linear" | "exponential";
  readonly backoffDelay?: number;
  readonly timeout?: number;
  readonly retryAfterMax?: number;
  readonly data?: "json" | "protobuf";
  readonly maxData?: number;
  readonly replies?: boolean;
  readonly attempts?: "failures" | "all";
}

type SubscriptionInit = Exclude<MessageInitShape<typeof SubscriptionSchema>, { $typeName: string }>;

/** Adds the options that say how a subscription delivers. Delivery settings have the names of Knative's DeliverySpec. */
export function withSettings(command: Command, requires: "endpoint required" | "nothing required"): Command {
  const endpoint = [
    "--endpoint <endpoint>",
    "class:crud, class:micro, class:lambda, or an http(s) URL",
  ] as const;
  if (requires === "endpoint required") command.requiredOption(...endpoint);
  else command.option(...endpoint);
  return command
    .option("--type <name>", "event type; may be given again. None: every type", collect)
    .option("--type-prefix <prefix>", "beginning of event types; may be given again", collect)
    .option(
      "--filter <json>",
      'CloudEvents filter, such as {"prefix":{"subject":"order-"}}; all must hold',
      readFilter,
    )
    .option("--mode <mode>", "binary, structured or batch", oneOf("binary", "structured", "batch"))
    .option("--batch-events <count>", "events a batch at most (100)", readCount)
    .option("--batch-wait <duration>", "how long a batch waits for more events (not at all)", readDurationMs)
    .option("--order <order>", "key, none or total", oneOf("key", "none", "total"))
    .option("--concurrency <count>", "pushes under way at once, at most (16)", readCount)
    .option("--rate <per-second>", "events a second, at most; 0: no limit", readRateLimit)
    .option("--retry <count>", "attempts after the first one, from 1 (10)", readCount)
    .option(
      "--backoff-policy <policy>",
      "linear or exponential (exponential)",
      oneOf("linear", "exponential"),
    )
    .option("--backoff-delay <duration>", "base of the pause between attempts (200ms)", readDurationMs)
    .option("--timeout <duration>", "limit of one attempt (10s)", readDurationMs)
    .option("--retry-after-max <duration>", "longest Retry-After that is honoured (60s)", readDurationMs)
    .option("--data <format>", "json or protobuf", oneOf("json", "protobuf"))
    .option("--max-data <bytes>", "larger data is pushed by reference (1 MiB; 4 MiB to classes)", readCount)
    .option("--replies", "publish the events that answers carry")
    .option("--no-replies", "do not")
    .option("--attempts <which>", "attempts that are kept: failures or all", oneOf("failures", "all"));
}

/** What was given, as the message has it, and the paths of those fields. */
export function readSettings(options: SettingsOptions): {
  readonly fields: SubscriptionInit;
  readonly paths: string[];
} {
  const given: [path: string, value: unknown, fields: () => SubscriptionInit][] = [
    ["endpoint", options.endpoint, () => ({ endpoint: options.endpoint ?? "" })],
    ["types", options.type, () => ({ types: [...(options.type ?? [])] })],
    ["type_prefixes", options.typePrefix, () => ({ typePrefixes: [...(options.typePrefix ?? [])] })],
    ["filters", options.filter, () => ({ filters: [...(options.filter ?? [])] })],
    ["mode", options.mode, () => ({ mode: modes[options.mode ?? "binary"] })],
    ["order", options.order, () => ({ order: orders[options.order ?? "key"] })],
    ["concurrency", options.concurrency, () => ({ concurrency: options.concurrency ?? 0 })],
    ["rate", options.rate, () => ({ rate: options.rate ?? 0 })],
    ["data_format", options.data, () => ({ dataFormat: formats[options.data ?? "json"] })],
    ["max_data_bytes", options.maxData, () => ({ maxDataBytes: options.maxData ?? 0 })],
    ["replies", options.replies, () => ({ replies: options.replies ?? false })],
    ["attempt_log", options.attempts, () => ({ attemptLog: attempts[options.attempts ?? "failures"] })],
  ];
  const present = given.filter(([, value]) => value !== undefined);
  const nested = [...batchSettings(options), ...deliverySettings(options)];
  const fields = Object.assign(
    {},
    ...present.map(([, , make]) => make()),
    ...nested.map(({ field }) => field),
  );
  return { fields, paths: [...present.map(([path]) => path), ...nested.flatMap(({ paths }) => paths)] };
}

interface NestedSettings {
  readonly field: SubscriptionInit;
  readonly paths: readonly string[];
}

function batchSettings({ batchEvents, batchWait }: SettingsOptions): NestedSettings[] {
  const paths = [
    ...(batchEvents === undefined ? [] : ["batch.max_events"]),
    ...(batchWait === undefined ? [] : ["batch.max_wait"]),
  ];
  if (paths.length === 0) return [];
  const batch = { maxEvents: batchEvents ?? 0, ...duration("maxWait", batchWait) };
  return [{ field: { batch }, paths }];
}

function deliverySettings(options: SettingsOptions): NestedSettings[] {
  const { retry, backoffPolicy, backoffDelay, timeout, retryAfterMax } = options;
  const given = {
    retry,
    backoff_policy: backoffPolicy,
    backoff_delay: backoffDelay,
    timeout,
    retry_after_max: retryAfterMax,
  };
  const paths = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`delivery.${name}`],
  );
  if (paths.length === 0) return [];
  const delivery = {
    ...(retry === undefined ? {} : { retry }),
    ...(backoffPolicy === undefined ? {} : { backoffPolicy: policies[backoffPolicy] }),
    ...duration("backoffDelay", backoffDelay),
    ...duration("timeout", timeout),
    ...duration("retryAfterMax", retryAfterMax),
  };
  return [{ field: { delivery }, paths }];
}

function duration<N extends string>(name: N, ms: number | undefined) {
  return ms === undefined ? {} : { [name]: durationFromMs(ms) };
}

function readFilter(text: string, before: readonly EventFilter[] = []): readonly EventFilter[] {
  try {
    return [...before, fromJson(EventFilterSchema, JSON.parse(text) as JsonValue)];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError(`It takes a filter as JSON: ${reason}`);
  }
}

const modes = { binary: ContentMode.BINARY, structured: ContentMode.STRUCTURED, batch: ContentMode.BATCH };
const orders = { key: DeliveryOrder.KEY, none: DeliveryOrder.NONE, total: DeliveryOrder.TOTAL };
const formats = { json: EventDataFormat.JSON, protobuf: EventDataFormat.PROTOBUF };
const attempts = { failures: AttemptLog.FAILURES, all: AttemptLog.ALL };
const policies = { linear: Delivery_BackoffPolicy.LINEAR, exponential: Delivery_BackoffPolicy.EXPONENTIAL };
