import { type DescMessage, getOption } from "@bufbuild/protobuf";
import { DescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { isTable } from "../../schema/table/table.ts";
import type { OwnRule, RuleBreak } from "./rule-break.ts";

const { field } = options.TableOptionsSchema;

/** What a table promised and may not take back: that it is there, its name, its key, its history and its events. */
export function compareTables(before: DescMessage, next: DescMessage | undefined): readonly RuleBreak[] {
  if (!isTable(before)) return [];
  if (next === undefined || !isTable(next)) return [tableGone(before, next)];
  const [old, now] = [getOption(before, options.table), getOption(next, options.table)];
  const breaks: RuleBreak[] = [];
  const report = (rule: OwnRule, number: number, what: string) =>
    void breaks.push({
      rule,
      desc: next,
      inside: inTableOption(number),
      message: `Table "${old.name}" of message "${before.typeName}" ${what}.`,
    });
  if (old.name !== now.name)
    report("TABLE_SAME_NAME", field.name.number, `changed its name to "${now.name}"`);
  if (old.key.join() !== now.key.join()) {
    report("TABLE_SAME_KEY", field.key.number, `changed its key from (${old.key}) to (${now.key})`);
  }
  if (old.history && !now.history) {
    report("TABLE_HISTORY_NO_DISABLE", field.history.number, "no longer keeps a history");
  }
  if (old.publish && !now.publish) {
    report("TABLE_PUBLISH_NO_DISABLE", field.publish.number, "no longer publishes its changes");
  }
  return breaks;
}

function tableGone(before: DescMessage, next: DescMessage | undefined): RuleBreak {
  const { name } = getOption(before, options.table);
  const message =
    next === undefined
      ? `Table "${name}" was deleted with its message "${before.typeName}".`
      : `Message "${before.typeName}" is no longer the table "${name}".`;
  return { rule: "TABLE_NO_DELETE", desc: next, message };
}

/** Path of a field of `(quartet.v1.table)` in its message. */
export function inTableOption(...inside: readonly number[]): readonly number[] {
  return [DescriptorProtoSchema.field.options.number, options.table.number, ...inside];
}
