import type { DescField, Message } from "@bufbuild/protobuf";

/** What a message holds for a field in protobuf-es' own form. Undefined when a field with presence is not set. */
export function localValue(field: DescField, message: Message): unknown {
  // Generated messages have no index signature; these are the very names that protobuf-es gave them.
  const fields = message as unknown as Readonly<Record<string, unknown>>;
  if (field.oneof === undefined) return fields[field.localName];
  const member = fields[field.oneof.localName] as { readonly case?: string; readonly value?: unknown };
  return member.case === field.localName ? member.value : undefined;
}
