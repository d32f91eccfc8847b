import type { DescField, JsonValue } from "@bufbuild/protobuf";
import { takesNull } from "../../schema/json/fit-json.ts";

/** The indexes of a stored list's elements that this build reads: not names of an enum it does not know, not null. */
export function readablePlaces(field: DescField, stored: readonly JsonValue[]): number[] {
  return [...stored.keys()].filter((index) => isReadable(field, stored[index] ?? null));
}

function isReadable(field: DescField, element: JsonValue): boolean {
  if (element === null) return takesNull(field);
  if (field.enum === undefined || typeof element !== "string") return true;
  return field.enum.values.some(({ name, jsonName }) => name === element || jsonName === element);
}
