import { type DescEnum, enumFromJson, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import type { Remark } from "./remark.ts";

type Fault = Omit<Remark, "path">;

/**
 * What differs between a stored scalar and the one this build would write in its place. Spellings of one value are
 * equal: digits as number or text where 64 bits are concerned, base64 with any alphabet and padding.
 *
 * @param lostDigits the stored number has more digits than `stored`
 */
export function compareScalar(
  type: ScalarType,
  stored: JsonValue,
  encoded: JsonValue | undefined,
  lostDigits: boolean,
): Fault | undefined {
  if (lostDigits) return { kind: "precision", detail: `has more digits than ${nameOf(type)} holds` };
  if (stored === encoded) return undefined;
  if (typeof stored === "number" && typeof encoded === "number") {
    return { kind: "precision", detail: `has more digits than ${nameOf(type)} holds` };
  }
  if (type === ScalarType.BYTES) return isSameBytes(stored, encoded) ? undefined : differs(type);
  if (typeof encoded === "string") return isSameInteger(stored, encoded) ? undefined : differs(type);
  if (typeof encoded === "number" && typeof stored === "string") {
    return { kind: "changed", detail: "is stored as a string, would be written as a number" };
  }
  return differs(type);
}

/** What this build does not know of a stored enum value. */
export function compareEnum(desc: DescEnum, stored: JsonValue): Fault | undefined {
  if (typeof stored === "string") {
    if (isName(desc, stored)) return undefined;
    return { kind: "unknown_enum", detail: `"${stored}" is no value of ${desc.typeName}: it reads as zero` };
  }
  if (typeof stored !== "number" || desc.value[stored] !== undefined) return undefined;
  return { kind: "unknown_enum_number", detail: `${stored} is no value of ${desc.typeName}` };
}

/** Name of a scalar type as proto files write it. */
export function nameOf(type: ScalarType): string {
  return ScalarType[type].toLowerCase();
}

function differs(type: ScalarType): Fault {
  return { kind: "changed", detail: `reads as another ${nameOf(type)}` };
}

function isName(desc: DescEnum, name: string): boolean {
  try {
    enumFromJson(desc, name as never); // The descriptor is not known to the compiler, hence its names are not either.
    return true;
  } catch {
    return false;
  }
}

function isSameInteger(stored: JsonValue, encoded: string): boolean {
  if (typeof stored !== "string" && typeof stored !== "number") return false;
  const integer = /^-?\d+$/;
  if (!integer.test(encoded)) return false;
  const text = String(stored);
  return integer.test(text) ? BigInt(text) === BigInt(encoded) : Number(text) === Number(encoded);
}

function isSameBytes(stored: JsonValue, encoded: JsonValue | undefined): boolean {
  if (typeof stored !== "string" || typeof encoded !== "string") return false;
  return Buffer.from(stored, "base64").equals(Buffer.from(encoded, "base64"));
}
