import type { DescMessage } from "@bufbuild/protobuf";
import type { RuleBreak } from "./rule-break.ts";

/**
 * Members that join a oneof come after those it has. Of two that old and new builds have stored side by side, readers take
 * the one with the lowest number: the later write came from the build that did not know the other.
 */
export function compareOneofs(before: DescMessage, next: DescMessage): readonly RuleBreak[] {
  return before.oneofs.flatMap((oneof) => {
    const now = next.oneofs.find(({ name }) => name === oneof.name);
    const known = oneof.fields.map(({ number }) => number);
    const last = Math.max(...known);
    const early = now?.fields.filter(({ number }) => number < last && !known.includes(number)) ?? [];
    return early.map((field): RuleBreak => {
      const what = `got the member "${field.name}" = ${field.number}, which is below its member ${last}`;
      return {
        rule: "ONEOF_MEMBER_COMES_LAST",
        desc: field,
        message: `Oneof "${oneof.name}" of "${next.typeName}" ${what}.`,
      };
    });
  });
}
