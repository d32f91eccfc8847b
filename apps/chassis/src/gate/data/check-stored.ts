import type { DescField, DescMessage, JsonValue, Message } from "@bufbuild/protobuf";
import { decodeStoredJson, encodeJson } from "../../schema/json/json.ts";
import { isJsonMap, type JsonMap } from "../../schema/json/json-map.ts";
import { isAny, isWhole } from "../../schema/json/reachable.ts";
import { nameOf } from "./compare-scalar.ts";
import { type CompareContext, compareStored } from "./compare-stored.ts";
import type { ExactJson } from "./exact-json.ts";
import type { KnownTypes } from "./known-types.ts";
import type { Remark, RemarkKind } from "./remark.ts";
import { fieldOfKey, pathOf, typeOfAny } from "./stored-shape.ts";

/** What reading one stored message with this build comes to. */
export interface CheckedMessage {
  /** What this build would write in its place; undefined when it cannot be read. */
  readonly encoded: JsonValue | undefined;
  readonly remarks: readonly Remark[];
}

/** Reads a stored message as this build would, and says what it would not read, and what it would read differently. */
export function checkStored(desc: DescMessage, stored: ExactJson, types: KnownTypes): CheckedMessage {
  const search = new FaultSearch(stored, types);
  const encoded = search.visit(desc, stored.value, "");
  return { encoded, remarks: search.remarks };
}

/** A field as it is stored. */
interface FieldPlace {
  readonly key: string;
  readonly value: JsonValue;
  readonly path: string;
  readonly holder: object;
}

/**
 * Finds what in a message cannot be parsed, by parsing ever smaller parts of it with the very parser that reads rows;
 * every part that parses is compared with what would be written in its place.
 */
class FaultSearch {
  readonly remarks: Remark[] = [];
  private readonly stored: ExactJson;
  private readonly types: KnownTypes;

  constructor(stored: ExactJson, types: KnownTypes) {
    this.stored = stored;
    this.types = types;
  }

  /** Checks the message stored as `json`, at `path`. Gives what would be written, when it can be read. */
  visit(desc: DescMessage, json: JsonValue, path: string): JsonValue | undefined {
    const encoded = this.recode(desc, json);
    if (encoded !== undefined) {
      compareStored(desc, { json, encoded, path }, this.context());
      return encoded;
    }
    const before = this.remarks.length;
    if (isAny(desc)) this.visitAny(json, path);
    else if (isJsonMap(json) && !isWhole(desc)) this.visitFields(desc, json, path);
    const found = this.remarks.slice(before).some(({ kind }) => kind === "unparsable");
    if (!found) this.add("unparsable", path, unreadable(desc.typeName, json));
    return undefined;
  }

  private visitAny(json: JsonValue, path: string): void {
    const inside = typeOfAny(json, this.types.registry)?.desc;
    if (!isJsonMap(json) || inside === undefined) return;
    const { "@type": _, ...fields } = json;
    this.visit(inside, isWhole(inside) || isAny(inside) ? (json["value"] ?? null) : fields, path);
  }

  private visitFields(desc: DescMessage, json: JsonMap, path: string): void {
    for (const [key, value] of Object.entries(json)) {
      const field = fieldOfKey(desc, key);
      const place = { key, value, path: pathOf(path, key), holder: json };
      if (field === undefined) this.add("unknown_key", place.path, "is no field of this build");
      else this.visitField(desc, field, place, path);
    }
  }

  private visitField(desc: DescMessage, field: DescField, place: FieldPlace, parent: string): void {
    const { key, value, path } = place;
    const encoded = this.recode(desc, { [key]: value });
    if (encoded !== undefined) {
      compareStored(desc, { json: { [key]: value }, encoded, path: parent }, this.context(place));
    } else if (field.fieldKind === "message") {
      this.visit(field.message, value, path);
    } else if (field.fieldKind === "list" && Array.isArray(value)) {
      for (const item of value)
        this.visitItem(desc, field, { key, json: [item], item, path: `${path}[]` }, parent);
    } else if (field.fieldKind === "map" && isJsonMap(value)) {
      for (const [name, item] of Object.entries(value)) {
        const json = Object.fromEntries([[name, item]]); // also when the name is __proto__
        this.visitItem(desc, field, { key, json, item, path: `${path}{}` }, parent);
      }
    } else {
      this.add("unparsable", path, unreadable(typeNameOf(field), value));
    }
  }

  /** One element of a list or one entry of a map, as the only one of its field. */
  private visitItem(
    desc: DescMessage,
    field: DescField & { fieldKind: "list" | "map" },
    place: {
      readonly key: string;
      readonly json: JsonValue;
      readonly item: JsonValue;
      readonly path: string;
    },
    parent: string,
  ): void {
    const json = { [place.key]: place.json };
    const encoded = this.recode(desc, json);
    if (encoded !== undefined) {
      compareStored(desc, { json, encoded, path: parent }, this.context());
    } else if (field.message !== undefined && this.recode(field.message, place.item) === undefined) {
      this.visit(field.message, place.item, place.path);
    } else {
      this.add("unparsable", place.path, unreadable(itemNameOf(field), place.item));
    }
  }

  private recode(desc: DescMessage, json: JsonValue): JsonValue | undefined {
    const { registry } = this.types;
    let message: Message;
    try {
      message = decodeStoredJson(desc, json, registry);
    } catch {
      return undefined; // fromJson has no error of its own, and all that it throws means this.
    }
    return encodeJson(desc, message, registry);
  }

  private add(kind: RemarkKind, path: string, detail: string): void {
    this.remarks.push({ kind, path, detail });
  }

  /** Fields are looked at in objects of their own; the lost digits are known by the object they came in. */
  private context(place?: FieldPlace): CompareContext {
    const { stored, types } = this;
    return {
      types,
      add: (kind, path, detail) => this.add(kind, path, detail),
      lostDigits: (holder, key) =>
        stored.lostDigits(holder, key) || (key === place?.key && stored.lostDigits(place.holder, key)),
    };
  }
}

function typeNameOf(field: DescField): string {
  if (field.fieldKind === "scalar") return nameOf(field.scalar);
  if (field.fieldKind === "enum") return field.enum.typeName;
  return field.fieldKind === "message" ? field.message.typeName : field.fieldKind;
}

function itemNameOf(field: DescField & { fieldKind: "list" | "map" }): string {
  const type = field.scalar === undefined ? (field.message ?? field.enum).typeName : nameOf(field.scalar);
  return field.fieldKind === "map" ? `entry of map<${nameOf(field.mapKey)}, ${type}>` : type;
}

/** Never the value itself: reports end up in logs. */
function unreadable(what: string, json: JsonValue): string {
  const stored = json === null ? "null" : Array.isArray(json) ? "array" : typeof json;
  return `is no ${what} (a JSON ${stored} is stored)`;
}
