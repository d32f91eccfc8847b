import type { DescField, DescMessage, JsonValue, Registry } from "@bufbuild/protobuf";
import { isJsonMap, own } from "../../schema/json/json-map.ts";

/** The field that a key of a JSON object stands for: ProtoJSON takes the JSON name and the proto name. */
export function fieldOfKey(desc: DescMessage, key: string): DescField | undefined {
  return desc.fields.find((field) => field.jsonName === key || field.name === key);
}

/** Path of a key inside `path`. */
export function pathOf(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** The type that an Any as ProtoJSON names; undefined when it names none. */
export function typeOfAny(
  json: JsonValue,
  registry: Registry,
): { readonly typeName: string; readonly desc: DescMessage | undefined } | undefined {
  const url = isJsonMap(json) ? own(json, "@type") : undefined;
  if (typeof url !== "string") return undefined;
  const typeName = url.slice(url.lastIndexOf("/") + 1);
  return { typeName, desc: registry.getMessage(typeName) };
}
