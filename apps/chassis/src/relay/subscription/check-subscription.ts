import type { DescEnum } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { isServiceClass } from "../../class/service-class.ts";
import { reactionPrefix, systemSubscriptions } from "../../command/received-event.ts";
import {
  ContentModeSchema,
  Delivery_BackoffPolicySchema,
  DeliveryOrderSchema,
} from "../../gen/quartet/v1/options_pb.ts";
import {
  AttemptLogSchema,
  EventDataFormatSchema,
  type Subscription,
} from "../../gen/quartet/v1/subscription_pb.ts";
import { callbackEndpoint } from "../callback/callback-endpoint.ts";
import { checkFilters } from "./check-filter.ts";
import { refuseFaults, type SubscriptionFault } from "./subscription-fault.ts";

/** Each part begins with a letter or a digit: of `a/../b` and `a//b` a URL's path says something else. */
const nameShape = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
const longestName = 128;
const typeShape = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;
const prefixShape = /^[A-Za-z_][A-Za-z0-9_.]*$/;
/** Events a second: a limit above it limits nothing. */
const highestRate = 1_000_000;
const mostTypes = 1_000;
const longestType = 255;
const mebibyte = 1_048_576;
const secondMs = 1_000;
const minuteMs = 60 * secondMs;

/**
 * Checks all of a subscription that somebody may set.
 *
 * @throws QuartetError `invalid_argument` with everything that is wrong, one fault a line.
 */
export function checkSubscription(subscription: Subscription): void {
  refuseFaults([
    ...checkEndpoint(subscription),
    ...checkTypes(subscription),
    ...checkFilters(subscription.filters),
    ...checkDelivery(subscription),
    ...checkEnums(subscription),
  ]);
}

/**
 * Checks the name of a subscription that is not declared by code. Names of those that are, and of replays, are kept for
 * them.
 *
 * @throws QuartetError `invalid_argument`.
 */
export function checkName(name: string): void {
  const fix = `Use up to ${longestName} of A-Z, a-z, 0-9, ".", "_", "/" and "-", such as billing/invoices.`;
  if (name.length > longestName || !nameShape.test(name)) {
    const problem = name === "" ? "is missing" : `is "${name.slice(0, 130)}", which is no name`;
    refuseFaults([{ field: "name", problem, fix }]);
  }
  const system: readonly string[] = Object.values(systemSubscriptions);
  if (!system.includes(name) && !name.startsWith(reactionPrefix)) return;
  refuseFaults([{ field: "name", problem: `is "${name}", which is kept for the code of the domain`, fix }]);
}

function checkEndpoint({ name, endpoint }: Subscription): SubscriptionFault[] {
  // A name that nobody else can have.
  if (name === systemSubscriptions.callbacks && endpoint === callbackEndpoint) return [];
  const fix = "Use class:crud, class:micro, class:lambda, or an http(s) URL without credentials.";
  const fault = (problem: string) => [{ field: "endpoint", problem, fix }];
  if (endpoint === "") return fault("is missing");
  const serviceClass = /^class:(.*)$/.exec(endpoint)?.[1];
  if (serviceClass !== undefined) {
    if (isServiceClass(serviceClass) && serviceClass !== "nano") return [];
    return fault(`names the class "${serviceClass.slice(0, 20)}", which takes no events`);
  }
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  // What it is may hold a password: it is not shown.
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return fault("is neither a class nor an http(s) URL");
  if (url.username !== "" || url.password !== "") return fault("has credentials in its URL");
  if (url.hash !== "") return fault("has a fragment, which no request carries");
  return endpoint.length > 2_000 ? fault("is longer than 2000 characters") : [];
}

function checkTypes({ types, typePrefixes }: Subscription): SubscriptionFault[] {
  const fix = "Use full names of event messages, such as shop.v1.OrderPlaced, or beginnings of such names.";
  const count = types.length + typePrefixes.length;
  if (count > mostTypes) return [{ field: "types", problem: `are ${count}, more than ${mostTypes}`, fix }];
  const check = (field: string, shape: RegExp) => (text: string, index: number) =>
    shape.test(text) && text.length <= longestType
      ? []
      : [{ field: `${field}[${index}]`, problem: `is "${text.slice(0, 80)}", which is no event type`, fix }];
  return [
    ...types.flatMap(check("types", typeShape)),
    ...typePrefixes.flatMap(check("type_prefixes", prefixShape)),
  ];
}

function checkDelivery({
  concurrency,
  batch,
  rate,
  maxDataBytes,
  delivery,
}: Subscription): SubscriptionFault[] {
  return [
    ...checkRange("concurrency", concurrency, 0, 1_000),
    ...checkRange("batch.max_events", batch?.maxEvents ?? 0, 0, 1_000),
    ...checkDuration("batch.max_wait", batch?.maxWait, 0, minuteMs),
    ...checkRate(rate),
    ...checkRange("max_data_bytes", maxDataBytes, 0, 64 * mebibyte),
    ...checkRange("delivery.retry", delivery?.retry ?? 0, 0, 1_000),
    ...checkDuration("delivery.backoff_delay", delivery?.backoffDelay, 0, 60 * minuteMs),
    ...checkDuration("delivery.timeout", delivery?.timeout, 1, 10 * minuteMs),
    ...checkDuration("delivery.retry_after_max", delivery?.retryAfterMax, 0, 24 * 60 * minuteMs),
  ];
}

/** What is wrong with a limit of events a second. */
export function checkRate(rate: number): SubscriptionFault[] {
  return checkRange("rate", rate, 0, highestRate);
}

/** Negated, so that NaN is refused. */
function checkRange(field: string, value: number, least: number, most: number): SubscriptionFault[] {
  if (value >= least && value <= most) return [];
  return [{ field, problem: `is ${value}`, fix: `${field} takes ${least} to ${most}.` }];
}

function checkDuration(
  field: string,
  duration: Duration | undefined,
  leastMs: number,
  mostMs: number,
): SubscriptionFault[] {
  if (duration === undefined) return [];
  const ms = durationMs(duration);
  if (ms >= leastMs && ms <= mostMs) return [];
  const limits = `${leastMs / secondMs} s to ${mostMs / secondMs} s`;
  return [{ field, problem: `is ${ms / secondMs} s`, fix: `${field} takes ${limits}.` }];
}

function checkEnums({ mode, order, dataFormat, attemptLog, delivery }: Subscription): SubscriptionFault[] {
  const given: [field: string, desc: DescEnum, value: number][] = [
    ["mode", ContentModeSchema, mode],
    ["order", DeliveryOrderSchema, order],
    ["data_format", EventDataFormatSchema, dataFormat],
    ["attempt_log", AttemptLogSchema, attemptLog],
    ["delivery.backoff_policy", Delivery_BackoffPolicySchema, delivery?.backoffPolicy ?? 0],
  ];
  return given.flatMap(([field, desc, value]) => {
    if (desc.value[value] !== undefined) return [];
    const names = desc.values.map(({ name }) => name).join(", ");
    return [{ field, problem: `is ${value}, which this build does not know`, fix: `Use one of ${names}.` }];
  });
}
