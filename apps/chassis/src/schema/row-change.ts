import type { DescMessage } from "@bufbuild/protobuf";

const suffix = ".changed";

/** The event type of changes of a table's rows, such as `shop.v1.Order.changed`; its data is a `quartet.v1.RowChange`. */
export function changeEventType(message: DescMessage): string {
  return `${message.typeName}${suffix}`;
}

/** The full name of the message whose rows' changes events of a type are; undefined for any other event. */
export function changedMessageOf(eventType: string): string | undefined {
  return eventType.endsWith(suffix) ? eventType.slice(0, -suffix.length) : undefined;
}
