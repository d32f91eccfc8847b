import { isMessage, type Registry } from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";
import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Column } from "../../schema/table/column.ts";
import type { Table } from "../../schema/table/table.ts";
import type { Bindings } from "./bindings.ts";
import { columnValue } from "./column-value.ts";
import { containedJson } from "./contained-json.ts";
import { requireColumn } from "./field-columns.ts";

/** One condition on a column. Printable, so that page tokens can tell queries apart. */
export interface FilterCondition {
  readonly column: Column;
  readonly operator: Operator;
  readonly value: ConditionValue;
}

type ConditionValue = string | Uint8Array | boolean | readonly (string | Uint8Array)[];

const comparisons = { eq: "=", ne: "<>", lt: "<", lte: "<=", gt: ">", gte: ">=" } as const;
type Comparison = keyof typeof comparisons;
type Operator = Comparison | "in" | "startsWith" | "isSet" | "contains";

/**
 * Reads a filter: every value is checked against its field.
 *
 * @throws QuartetError `invalid_argument` naming the field that is unknown, has no column, or is given an operator or a
 * value that it does not take.
 */
export function readFilter(
  table: Table,
  filter: Readonly<Record<string, unknown>>,
  registry: Registry,
): readonly FilterCondition[] {
  return Object.entries(filter).flatMap(([field, given]) => {
    const column = requireColumn(table, field);
    return operatorsOf(given).map(([operator, value]) =>
      readCondition({ column, field }, operator, value, registry),
    );
  });
}

interface FilteredField {
  readonly column: Column;
  readonly field: string;
}

function operatorsOf(given: unknown): [string, unknown][] {
  const plain =
    typeof given === "object" &&
    given !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(given));
  return plain && !isMessage(given) ? Object.entries(given) : [["eq", given]];
}

function readCondition(
  { column, field }: FilteredField,
  operator: string,
  value: unknown,
  registry: Registry,
): FilterCondition {
  const fault = operatorFault(column, operator, value);
  if (fault !== undefined) throw new QuartetError("invalid_argument", `${field} ${fault}.`, { field });
  const read = (one: unknown) => columnValue(column, one, registry, field);
  switch (operator) {
    case "contains":
      return { column, operator, value: JSON.stringify(containedJson(column.field, value, registry, field)) };
    case "in":
      return { column, operator, value: (value as readonly unknown[]).map(read) };
    case "isSet":
      return { column, operator, value: value as boolean };
    case "startsWith":
      return { column, operator, value: value as string };
    default:
      return { column, operator: operator as Comparison, value: read(value) };
  }
}

/** Why the column does not take the operator with this value; undefined when it does, as far as can be told here. */
function operatorFault(column: Column, operator: string, value: unknown): string | undefined {
  if (value === undefined) return `${operator} is undefined: leave it away when it shall not count`;
  const compared = column.sqlType !== "jsonb";
  switch (operator) {
    case "contains":
      return compared ? "takes no contains: it is no list, map or message" : undefined;
    case "isSet":
      if (typeof value !== "boolean") return "isSet is neither true nor false";
      return column.nullable && column.field.fieldKind !== "list" && column.field.fieldKind !== "map"
        ? undefined
        : "is always set";
    case "startsWith":
      if (column.sqlType !== "text" || column.field.fieldKind === "enum")
        return "takes no startsWith: it is no text";
      return typeof value === "string" && value.isWellFormed() ? undefined : "startsWith is no text";
    case "in":
      if (!compared) return "can be compared by contains and isSet alone";
      return Array.isArray(value) ? undefined : "in is no list";
    default:
      if (!Object.hasOwn(comparisons, operator)) return `takes no ${operator}: it is no operator`;
      if (!compared) return "can be compared by contains and isSet alone";
      return column.field.fieldKind === "enum" && operator !== "eq" && operator !== "ne"
        ? `takes no ${operator}: an enum has no order`
        : undefined;
  }
}

/** A condition in SQL. It names the column, which Postgres replaces by the expression that indexes are on. */
export function conditionSql({ column, operator, value }: FilterCondition, bindings: Bindings): string {
  const name = quoteIdentifier(column.name);
  switch (operator) {
    case "contains":
      return `${name} @> ${bindings.bind(value, "jsonb")}`;
    case "in":
      return `${name} = any(${bindings.bind(value, `${column.sqlType}[]`)})`;
    case "isSet":
      return `${name} is ${value === true ? "not " : ""}null`;
    case "startsWith":
      return `${name} ^@ ${bindings.bind(value, "text")}`;
    case "ne":
      return `${name} ${column.nullable ? "is distinct from" : "<>"} ${bindings.bind(value, column.sqlType)}`;
    default:
      return `${name} ${comparisons[operator]} ${bindings.bind(value, column.sqlType)}`;
  }
}
