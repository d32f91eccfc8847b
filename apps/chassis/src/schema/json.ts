import {
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageShape,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";

/** Canonical ProtoJSON as pbtables and outboxes store it: zero values emitted, Any resolved by the registry. */
export function encodeJson<D extends DescMessage>(
  desc: D,
  message: MessageShape<D>,
  registry: Registry,
): JsonValue {
  return toJson(desc, message, { alwaysEmitImplicit: true, registry });
}

/**
 * Reads what any build stored: fields and enum values this build does not know are skipped, never an error.
 * A patch keeps them in the store, so skipping them loses nothing.
 */
export function decodeStoredJson<D extends DescMessage>(
  desc: D,
  json: JsonValue,
  registry: Registry,
): MessageShape<D> {
  return fromJson(desc, json, { ignoreUnknownFields: true, registry });
}
