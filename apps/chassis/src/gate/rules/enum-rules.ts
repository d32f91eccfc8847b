import type { DescEnum } from "@bufbuild/protobuf";
import type { RuleBreak } from "./rule-break.ts";

/**
 * Of a value with several names (`allow_alias`), the first is the one that is stored and that columns default to. buf asks
 * only that each name is still one of them.
 */
export function compareEnumNames(before: DescEnum, next: DescEnum): readonly RuleBreak[] {
  return Object.values(before.value).flatMap((value) => {
    const now = next.value[value.number];
    if (now === undefined || now.jsonName === value.jsonName) return [];
    // A name that went altogether is buf's to report.
    if (!next.values.some(({ name, number }) => name === value.name && number === value.number)) return [];
    const what = `is stored as "${now.jsonName}", no longer as "${value.jsonName}"`;
    const message = `Value ${value.number} of enum "${next.typeName}" ${what}.`;
    return [{ rule: "ENUM_VALUE_SAME_JSON_NAME", desc: now, message }];
  });
}
