import {
  create,
  createFileRegistry,
  type DescMessage,
  type JsonValue,
  type Message,
  type Registry,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Any, anyUnpack, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../../error/quartet-error.ts";
import { fieldValue, isJsonMap, type JsonMap, own, setOwn } from "./json-map.ts";
import { localValue } from "./local-value.ts";
import { isAny, isWhole, reachesAny } from "./reachable.ts";

/**
 * A registry for which there is no unknown type: one that it does not know is a message without fields. So an `Any` of
 * a newer build reads as its type and nothing of its value, where `fromJson` and `toJson` would throw.
 */
export interface LenientRegistry extends Registry {
  /** The last type that was asked for and is not known. */
  unknownType: string | undefined;
}

const lenient = new WeakMap<Registry, LenientRegistry>();

/** The lenient registry of a registry; always the same one. */
export function lenientRegistry(registry: Registry): LenientRegistry {
  const known = lenient.get(registry);
  if (known !== undefined) return known;
  const made: LenientRegistry = Object.assign(Object.create(registry) as Registry, {
    unknownType: undefined,
    getMessage: (typeName: string) => {
      const found = registry.getMessage(typeName);
      if (found === undefined) made.unknownType = typeName;
      return found ?? emptyMessage(typeName);
    },
  });
  lenient.set(registry, made);
  return made;
}

/**
 * Lets every `Any` of a type unknown to `registry` carry the JSON it was read from, inside itself: it survives `clone`,
 * binary and packing, and {@link restoreAnys} gives it back.
 */
export function carryAnys(desc: DescMessage, message: Message, json: JsonValue, registry: Registry): void {
  forEachAny(desc, message, json, (any, object) => {
    const url = String(own(object, "@type") ?? "");
    if (url === "") return;
    const inner = unpackAny(any, registry);
    if (inner === undefined) {
      any.typeUrl = url;
      any.$unknown = [writeCarrier(object)];
    } else if (reachesAny(inner.desc)) {
      carryAnys(inner.desc, inner.message, contentOf(inner.desc, object), registry);
      any.value = toBinary(inner.desc, inner.message);
    }
  });
}

/**
 * Puts into `json`, made of `message` with the lenient registry, what each `Any` of an unknown type carries.
 *
 * @throws QuartetError `invalid_argument` when one holds a binary value that only its type could turn into JSON.
 */
export function restoreAnys(desc: DescMessage, message: Message, json: JsonValue, registry: Registry): void {
  forEachAny(desc, message, json, (any, object) => {
    if (any.typeUrl === "") return;
    const inner = unpackAny(any, registry);
    if (inner !== undefined) {
      restoreAnys(inner.desc, inner.message, contentOf(inner.desc, object), registry);
      return;
    }
    for (const [key, value] of Object.entries(readCarrier(any))) setOwn(object, key, value);
  });
}

function forEachAny(
  desc: DescMessage,
  message: Message,
  json: JsonValue,
  visit: (any: Any, json: JsonMap) => void,
): void {
  if (!reachesAny(desc) || !isJsonMap(json)) return;
  if (isAny(desc)) {
    visit(message as Any, json);
    return;
  }
  for (const field of desc.fields) {
    const inner = field.message;
    const value = fieldValue(json, field);
    const local = localValue(field, message);
    if (inner === undefined || !reachesAny(inner) || value === undefined || local === undefined) continue;
    if (field.fieldKind === "message") forEachAny(inner, local as Message, value, visit);
    else if (isEntries(value) && isEntries(local)) {
      for (const [key, element] of Object.entries(local)) {
        forEachAny(inner, element as Message, (value as JsonMap)[key] ?? null, visit);
      }
    }
  }
}

/** Lists and maps alike: an object of elements by index or key. */
function isEntries(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function unpackAny(any: Any, registry: Registry): { desc: DescMessage; message: Message } | undefined {
  const desc = registry.getMessage(any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1));
  const message = desc === undefined ? undefined : anyUnpack(any, desc);
  return desc === undefined || message === undefined ? undefined : { desc, message };
}

/** The JSON of the message inside an `Any`. */
function contentOf(desc: DescMessage, object: JsonMap): JsonValue {
  return isAny(desc) || isWhole(desc) ? (own(object, "value") ?? null) : object;
}

/** The number of the field, unknown to `Any`, that carries the JSON: the highest there is. */
const carrierNumber = 536_870_911;

function writeCarrier(object: JsonMap) {
  const data = new BinaryWriter().string(JSON.stringify(object)).finish();
  return { no: carrierNumber, wireType: WireType.LengthDelimited, data };
}

function readCarrier(any: Any): JsonMap {
  const carrier = any.$unknown?.find(({ no }) => no === carrierNumber);
  const json = carrier === undefined ? undefined : JSON.parse(new BinaryReader(carrier.data).string());
  // Made into another type since: what is carried is no longer its content.
  if (isJsonMap(json) && own(json, "@type") === any.typeUrl) return json;
  if (any.value.length === 0) return { "@type": any.typeUrl };
  throw new QuartetError(
    "invalid_argument",
    `This build does not know ${any.typeUrl}, and cannot store one.`,
  );
}

/** Most types that are kept; a type costs about a kilobyte. */
const maxTypes = 200;
const types = new Map<string, DescMessage>();

/** A message type without fields. */
function emptyMessage(typeName: string): DescMessage | undefined {
  const known = types.get(typeName);
  if (known !== undefined) return known;
  const dot = typeName.lastIndexOf(".");
  const file = create(FileDescriptorProtoSchema, {
    name: `unknown/${typeName}.proto`,
    package: typeName.slice(0, Math.max(dot, 0)),
    syntax: "proto3",
    messageType: [{ name: typeName.slice(dot + 1) }],
  });
  const made = createFileRegistry(file, () => undefined).getMessage(typeName);
  if (types.size >= maxTypes) types.clear();
  if (made !== undefined) types.set(typeName, made);
  return made;
}
