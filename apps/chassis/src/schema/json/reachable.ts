import type { DescMessage } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";

const anyName = "google.protobuf.Any";

/** True for `google.protobuf.Any`. */
export function isAny(desc: DescMessage): boolean {
  return desc.typeName === anyName;
}

/** True for well-known types whose ProtoJSON is no object of their fields: known to every build, changed as a whole. */
export function isWhole(desc: DescMessage): boolean {
  return hasCustomJsonRepresentation(desc) && !isAny(desc);
}

const found = new WeakMap<DescMessage, ReadonlySet<DescMessage>>();

/** A message and all that its fields reach, at any depth, not through `Any`. Computed once per descriptor. */
export function reachableMessages(desc: DescMessage): ReadonlySet<DescMessage> {
  const known = found.get(desc);
  if (known !== undefined) return known;
  const reached = new Set([desc]);
  // A set that grows while it is walked: what was added is walked too.
  for (const message of reached) {
    for (const field of message.fields) if (field.message !== undefined) reached.add(field.message);
  }
  found.set(desc, reached);
  return reached;
}

const anys = new WeakMap<DescMessage, boolean>();

/** Whether a message is or may hold an `Any`. */
export function reachesAny(desc: DescMessage): boolean {
  const known = anys.get(desc) ?? [...reachableMessages(desc)].some(isAny);
  anys.set(desc, known);
  return known;
}

const collections = new WeakMap<DescMessage, boolean>();

/** Whether a message holds, at any depth, a list or a map of messages with fields. */
export function reachesCollection(desc: DescMessage): boolean {
  const known =
    collections.get(desc) ??
    [...reachableMessages(desc)].some((message) => !isWhole(message) && message.fields.some(isCollection));
  collections.set(desc, known);
  return known;
}

function isCollection(field: DescMessage["fields"][number]): boolean {
  const many = field.fieldKind === "list" || field.fieldKind === "map";
  return many && field.message !== undefined && !isWhole(field.message);
}
