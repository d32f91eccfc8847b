import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";
import type { Column } from "../../schema/table/column.ts";
import type { Table } from "../../schema/table/table.ts";
import { requireColumn } from "./field-columns.ts";
import type { FieldAt, FieldPath, FieldsOf, ValueMessage } from "./message-fields.ts";

/**
 * One field to order rows by: `"placeTime"` or `"placeTime asc"` for ascending, `"placeTime desc"` for descending. Enums
 * are ordered by name, texts as the database orders them. What is not set comes after all that is; descending is the
 * exact reverse.
 */
export type OrderBy<D extends DescMessage> = string extends MessageShape<D>["$typeName"]
  ? string
  : OrderOn<FieldsOf<MessageShape<D>>>;

type OrderOn<F> = { [P in FieldPath<F>]: IsOrdered<NonNullable<FieldAt<F, P>>, P> }[FieldPath<F>];

type IsOrdered<V, P extends string> = [V] extends [
  string | number | bigint | boolean | Uint8Array | ValueMessage,
]
  ? P | `${P} ${"asc" | "desc"}`
  : never;

/** A column that rows are ordered by. */
export interface OrderPart {
  readonly column: Column;
  readonly descending: boolean;
}

/**
 * The whole order of a query: what it asks for, then the key columns it does not name, in the direction of the last
 * one it does; so no two rows are equal, and one index scan serves the order where an index can.
 *
 * @throws QuartetError `invalid_argument` naming a field that has no column, no order, or was named before.
 */
export function readOrder(table: Table, orderBy: string | readonly string[] = []): readonly OrderPart[] {
  const asked = typeof orderBy === "string" ? [orderBy] : orderBy;
  const parts: OrderPart[] = [];
  for (const text of asked) {
    const [field = "", direction = "asc", ...rest] = text.split(" ");
    const column = requireColumn(table, field);
    const fault =
      rest.length > 0 || (direction !== "asc" && direction !== "desc")
        ? `"${text}" is not "field", "field asc" or "field desc"`
        : column.sqlType === "jsonb"
          ? `${field} has no order`
          : parts.some((part) => part.column === column)
            ? `${field} is named twice`
            : undefined;
    if (fault !== undefined) {
      throw new QuartetError("invalid_argument", `Rows of ${table.name} cannot be ordered: ${fault}.`, {
        field,
      });
    }
    parts.push({ column, descending: direction === "desc" });
  }
  const descending = parts.at(-1)?.descending ?? false;
  const missing = table.key.filter((column) => !parts.some((part) => part.column.name === column.name));
  return [...parts, ...missing.map((column) => ({ column, descending }))];
}
