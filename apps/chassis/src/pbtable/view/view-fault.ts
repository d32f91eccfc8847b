import { quoteIdentifier, quoteLiteral } from "../../schema/identifier.ts";
import type { Column } from "../../schema/table/column.ts";
import type { Table } from "../../schema/table/table.ts";
import { refusalsOf } from "./view-refusal.ts";
import { isChanged, isSet, oneofsOf, writableColumns } from "./view-value.ts";

/** What a view refuses: values that columns of the type can hold, and messages cannot. */
interface Fault {
  /** SQL condition over NEW and OLD; NULL is no fault. */
  readonly when: string;
  readonly sqlState: string;
  /** SQL expression of the text. */
  readonly message: string;
}

const notSupported = "0A000"; // feature_not_supported
const invalidParameter = "22023"; // invalid_parameter_value

/** SQL expression of the first fault of a row as `array[sqlstate, message]`, NULL when there is none. */
export function firstFault(table: Table): string {
  const faults = [
    ...rowFaults(table),
    ...writableColumns(table).flatMap((column) => valueFaults(table, column)),
  ];
  const branches = faults.map(
    ({ when, sqlState, message }) =>
      `      when ${when} then\n        array[${quoteLiteral(sqlState)}, ${message}]\n`,
  );
  return `case\n${branches.join("")}    end`;
}

function rowFaults(table: Table): Fault[] {
  const keys = table.key.map(({ name }) => name);
  const rowOf = (row: string) => `(${keys.map((name) => `${row}.${quoteIdentifier(name)}`).join(", ")})`;
  return [
    {
      when: `TG_OP = 'UPDATE' and ${rowOf("NEW")} is distinct from ${rowOf("OLD")}`,
      sqlState: notSupported,
      message: quoteLiteral(
        `${table.viewName}: the key (${keys.join(", ")}) cannot be changed; insert a row with the new key and delete this one`,
      ),
    },
    {
      when: "NEW.version is distinct from OLD.version and (TG_OP = 'UPDATE' or NEW.version <> 1)",
      sqlState: notSupported,
      message: quoteLiteral(
        `${table.viewName}: version cannot be set, it begins at 1 and every write raises it; to check it, compare it in WHERE`,
      ),
    },
    ...oneofsOf(table).flatMap(({ name, members }) => {
      const names = members.map((column) => column.name).join(", ");
      if (members.length < 2) return [];
      return {
        when: `${members.map((column) => `${isSet(column)}::int`).join(" + ")} > 1`,
        sqlState: invalidParameter,
        message: quoteLiteral(`${table.viewName}: only one of ${names} (oneof ${name}) can be set`),
      };
    }),
  ];
}

function valueFaults(table: Table, column: Column): Fault[] {
  const value = `NEW.${quoteIdentifier(column.name)}`;
  return refusalsOf(column.field).map(({ when, sqlState, takes }) => ({
    when: `${isChanged(column)} and ${when(value)}`,
    sqlState,
    message: `${quoteLiteral(`${table.viewName}: ${column.name} takes ${takes}, not `)} || left(${value}::text, 100)`,
  }));
}
