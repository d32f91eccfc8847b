import { type DescField, ScalarType } from "@bufbuild/protobuf";
import type { IndexCondition } from "../../gen/quartet/v1/options_pb.ts";
import { quoteLiteral } from "../identifier.ts";
import type { Column } from "./column.ts";

/** A condition of a partial index: SQL, or what is wrong with it. */
export type ReadCondition = { readonly sql: string } | { readonly fault: string };

/**
 * Reads one `where` of an index.
 *
 * @param column undefined where the condition names none
 * @param value SQL of the column's value: what queries on the column are planned with
 */
export function readCondition(
  condition: IndexCondition,
  column: Column | undefined,
  value: string | undefined,
): ReadCondition {
  const { field, test } = condition;
  if (column === undefined || value === undefined) {
    return { fault: `index condition names "${field}", which is no column` };
  }
  if (test.case === undefined) {
    return { fault: `index condition on "${field}" says neither equals, not_equals nor is_set` };
  }
  if (test.case === "isSet") {
    if (!column.nullable) return { fault: `index condition is_set on "${field}", which is never NULL` };
    return { sql: `${value} is ${test.value ? "not " : ""}null` };
  }
  const literal = literalOf(column, test.value);
  if (literal === undefined) {
    return {
      fault: `index condition compares "${field}" (${describeType(column)}) with ${JSON.stringify(test.value)}`,
    };
  }
  return { sql: `${value} ${test.case === "equals" ? "=" : "<>"} ${literal}` };
}

/** Bounds of the integers, by type in SQL. */
const integerRanges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  integer: [-(2n ** 31n), 2n ** 31n - 1n],
  bigint: [-(2n ** 63n), 2n ** 63n - 1n],
  "numeric(20)": [0n, 2n ** 64n - 1n],
};

/** SQL has no such type: the column is a bigint. */
const unsigned32Range = [0n, 2n ** 32n - 1n] as const;

const floatPattern = /^(NaN|-?Infinity|-?\d+(\.\d+)?([eE][+-]?\d+)?)$/;

/** A value of a condition as a typed SQL literal; undefined when it is none of the column's. */
function literalOf(column: Column, text: string): string | undefined {
  const value = canonicalValue(column, text);
  return value === undefined ? undefined : `${quoteLiteral(value)}::${column.sqlType}`;
}

/** The value as the column has it; undefined when the column never has it. */
function canonicalValue({ field, sqlType }: Column, text: string): string | undefined {
  if (field.fieldKind === "enum") {
    const number = field.enum.values.find((value) => value.name === text)?.number;
    // Of several names of a number, JSON has the first.
    return number === undefined ? undefined : field.enum.value[number]?.jsonName;
  }
  if (sqlType === "text") return text.includes("\0") ? undefined : text;
  if (sqlType === "boolean") return text === "true" || text === "false" ? text : undefined;
  const range = isUnsigned32(field) ? unsigned32Range : integerRanges[sqlType];
  if (range !== undefined) {
    if (!/^-?\d{1,20}$/.test(text)) return undefined;
    const [least, most] = range;
    return BigInt(text) >= least && BigInt(text) <= most ? text : undefined;
  }
  if (sqlType !== "real" && sqlType !== "double precision") return undefined;
  return floatPattern.test(text) && holdsFloat(sqlType, text) ? text : undefined;
}

function isUnsigned32(field: DescField): boolean {
  if (field.fieldKind === "message") return field.message.typeName === "google.protobuf.UInt32Value";
  if (field.fieldKind !== "scalar") return false;
  return field.scalar === ScalarType.UINT32 || field.scalar === ScalarType.FIXED32;
}

/** Postgres refuses a number that the type would turn into infinity or zero. */
function holdsFloat(sqlType: "real" | "double precision", text: string): boolean {
  const number = sqlType === "real" ? Math.fround(Number(text)) : Number(text);
  if (Number.isNaN(number) || text.endsWith("Infinity")) return true;
  return Number.isFinite(number) && (number !== 0 || !/[1-9]/.test(text.replace(/[eE].*/, "")));
}

function describeType({ field, sqlType }: Column): string {
  return field.fieldKind === "enum" ? `enum ${field.enum.typeName}` : sqlType;
}
