import {
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  type MessageShape,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";
import { fitJson } from "./fit-json.ts";
import { reachesAny } from "./reachable.ts";
import { carryAnys, lenientRegistry, restoreAnys } from "./unknown-any.ts";

/** A request may be 100 messages deep, and what is stored may have it inside others. */
const recursionLimit = 250;

/**
 * Canonical ProtoJSON as pbtables, outboxes and answers have it: zero values emitted, Any resolved by the registry. An
 * Any of a type that the registry does not know, read by {@link decodeStoredJson}, is written as it was read.
 *
 * @throws QuartetError `invalid_argument` for an Any of an unknown type that came from elsewhere.
 */
export function encodeJson<D extends DescMessage>(
  desc: D,
  message: MessageShape<D>,
  registry: Registry,
): JsonValue {
  const lenient = lenientRegistry(registry);
  lenient.unknownType = undefined;
  const json = toJson(desc, message, { alwaysEmitImplicit: true, registry: lenient });
  if (lenient.unknownType !== undefined) restoreAnys(desc, message, json, registry);
  return json;
}

/**
 * Reads what any build stored. Never fails for what this build does not know:
 *
 * - Fields and enum values it does not know are skipped.
 * - An Any of a type it does not know keeps its type and has no value, for who looks inside; unseen it carries what was
 *   stored, so that writing it anywhere writes all of it.
 * - What builds made of a row together that none of them would have made alone is read by the rules of {@link fitJson}.
 *
 * A patch keeps all of it in the store, so skipping it loses nothing.
 */
export function decodeStoredJson<D extends DescMessage>(
  desc: D,
  json: JsonValue,
  registry: Registry,
): MessageShape<D> {
  const lenient = lenientRegistry(registry);
  lenient.unknownType = undefined;
  const options = { ignoreUnknownFields: true, recursionLimit, registry: lenient };
  try {
    const message = fromJson(desc, json, options);
    if (lenient.unknownType !== undefined) carryAnys(desc, message, json, registry);
    return message;
  } catch (error) {
    const fitted = fitJson(desc, json, registry);
    if (fitted === json) throw error;
    const message = fromJson(desc, fitted, options);
    if (lenient.unknownType !== undefined) carryAnys(desc, message, fitted, registry);
    return message;
  }
}

/**
 * Refuses a request that holds an Any of a type that the registry does not know: what is in it could not be kept. To be
 * asked of what was read with a lenient registry, which takes them all.
 *
 * @throws QuartetError `invalid_argument` naming the type.
 */
export function requireKnownAnys(desc: DescMessage, message: Message, registry: Registry): void {
  if (!reachesAny(desc)) return;
  const lenient = lenientRegistry(registry);
  lenient.unknownType = undefined;
  toJson(desc, message, { registry: lenient });
  if (lenient.unknownType === undefined) return;
  throw new QuartetError("invalid_argument", `There is no message type ${lenient.unknownType} here.`);
}
