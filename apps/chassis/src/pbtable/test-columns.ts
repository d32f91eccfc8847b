import type { DescMessage, JsonValue, Message, Registry } from "@bufbuild/protobuf";
import { expect } from "vitest";
import { encodeJson } from "../schema/json/json.ts";
import { isJsonMap, own } from "../schema/json/json-map.ts";
import type { Column } from "../schema/table/column.ts";
import type { Table } from "../schema/table/table.ts";

/** What the generated columns of a table must show of a message, as `openPool` reads them. */
export function expectedColumns(table: Table, message: Message, registry: Registry): Record<string, unknown> {
  const json = encodeJson(table.message as DescMessage, message, registry);
  return Object.fromEntries(table.columns.map((column) => [column.name, expectedValue(column, json)]));
}

function expectedValue(column: Column, json: JsonValue): unknown {
  const found = column.path.reduce<JsonValue>(
    (inside, name) => (isJsonMap(inside) ? own(inside, name) : undefined) ?? null,
    json,
  );
  if (column.field.enum?.typeName === "google.protobuf.NullValue" && column.sqlType === "text") {
    return expect.toSatisfy(() => true); // JSON null is what it has, and what an absent one has.
  }
  if (column.sqlType === "jsonb")
    return found === null ? null : expect.toSatisfy((value) => isSame(value, found));
  return found === null ? null : shownAs(column.sqlType, found);
}

function shownAs(sqlType: string, json: JsonValue): unknown {
  switch (sqlType) {
    case "bytea":
      return Buffer.from(String(json), "base64");
    case "bigint":
      return BigInt(String(json));
    case "boolean":
      return json;
    case "integer":
    case "double precision":
      return Number(json);
    case "real":
      return Number.isNaN(Number(json))
        ? Number.NaN
        : expect.toSatisfy((value: number) => Math.fround(value) === Math.fround(Number(json)));
    case "timestamptz":
      return new Date(String(json).replace(/(\.\d{3})\d+/, "$1"));
    case "interval":
      return expect.toSatisfy(
        (value: string) => microsecondsOf(value) === secondsToMicroseconds(String(json)),
      );
    default:
      return String(json);
  }
}

function isSame(value: unknown, json: JsonValue): boolean {
  expect(value).toEqual(json);
  return true;
}

/** Reads an interval of hours, minutes and seconds. */
function microsecondsOf(interval: string): bigint {
  const [, sign = "", hours = "", minutes = "", seconds = "", fraction = ""] =
    /^(-?)(\d+):(\d+):(\d+)(?:\.(\d+))?$/.exec(interval) ?? [];
  const total = BigInt(hours) * 3_600n + BigInt(minutes) * 60n + BigInt(seconds);
  return (total * 1_000_000n + BigInt(fraction.padEnd(6, "0"))) * (sign === "-" ? -1n : 1n);
}

/** Reads the ProtoJSON of a Duration, cut to microseconds. */
function secondsToMicroseconds(text: string): bigint {
  const [, sign = "", seconds = "", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?s$/.exec(text) ?? [];
  return BigInt(`${seconds}${fraction.padEnd(6, "0").slice(0, 6)}`) * (sign === "-" ? -1n : 1n);
}
