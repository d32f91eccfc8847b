import { type DescMessage, getOption, toJson } from "@bufbuild/protobuf";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { isTable } from "../../schema/table/table.ts";
import type { RuleBreak } from "./rule-break.ts";
import { inTableOption } from "./table-rules.ts";

/**
 * A unique index is a promise about data, which may not be taken back in silence: databases of before would keep it, new
 * ones would not. One over fewer rows, or more columns, promises less. Any other index is speed, and may go; any index may
 * come, a unique one too: `quartet apply` says so when rows disagree with it.
 */
export function compareIndexes(before: DescMessage, next: DescMessage): readonly RuleBreak[] {
  if (!isTable(before) || !isTable(next)) return [];
  const kept = new Set(uniqueIndexes(next).map(promiseOf));
  return uniqueIndexes(before)
    .filter((index) => !kept.has(promiseOf(index)))
    .map((index) => ({
      rule: "INDEX_UNIQUE_NO_DELETE",
      desc: next,
      inside: inTableOption(options.TableOptionsSchema.field.index.number),
      message: `Unique index on (${index.field.join(", ")}) of message "${next.typeName}" was deleted or changed.`,
    }));
}

function uniqueIndexes(message: DescMessage): options.IndexOptions[] {
  return getOption(message, options.table).index.filter(({ unique }) => unique);
}

/** What the index keeps from happening, whatever the order of its columns and conditions. */
function promiseOf({ field, where }: options.IndexOptions): string {
  const columns = field.map((text) => text.split(" ")[0]);
  const conditions = where.map((condition) =>
    JSON.stringify(toJson(options.IndexConditionSchema, condition)),
  );
  return JSON.stringify([columns.sort(), conditions.sort()]);
}
