import { type DescField, type DescMessage, getOption } from "@bufbuild/protobuf";
import { FieldDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { isTable, readTable } from "../../schema/table/table.ts";
import type { RuleBreak } from "./rule-break.ts";

/**
 * A column that queries may name may not vanish: databases of before would keep it, new ones lack it. That of a deleted
 * and reserved field may; hidden fields may come forth.
 */
export function compareColumns(before: DescMessage, next: DescMessage): readonly RuleBreak[] {
  if (!isTable(before) || !isTable(next)) return [];
  const kept = before.fields.flatMap((field) => {
    const same = next.fields.find(({ number }) => number === field.number);
    return same === undefined ? [] : [...compareHidden(field, same), ...comparePaths(field, same)];
  });
  return [...kept, ...compareSources(before, next)];
}

/**
 * `line_sku` is the column of a field as well as of the path `line.sku`. Databases keep what they have of the name, so it may
 * not come to mean the other, not even when the first was deleted.
 */
function compareSources(before: DescMessage, next: DescMessage): readonly RuleBreak[] {
  const { columns } = readTable(next).table;
  return readTable(before).table.columns.flatMap(({ name, path }) => {
    const same = columns.find((column) => column.name === name);
    const fields = path.length === 1 && same?.path.length === 1; // buf compares fields of one name
    if (same === undefined || fields || same.path.join(".") === path.join(".")) return [];
    const what = `was made of "${path.join(".")}" and would be of "${same.path.join(".")}"`;
    const desc = next.fields.find(({ jsonName }) => jsonName === same.path[0]);
    const message = `Column "${name}" of message "${next.typeName}" ${what}.`;
    return [{ rule: "COLUMN_SAME_SOURCE" as const, desc, message }];
  });
}

function compareHidden(before: DescField, next: DescField): readonly RuleBreak[] {
  if (getOption(before, options.column).hidden || !getOption(next, options.column).hidden) return [];
  const message = `Column "${before.name}" of message "${next.parent.typeName}" was hidden.`;
  const { hidden } = options.ColumnOptionsSchema.field;
  return [{ rule: "COLUMN_NO_HIDE", desc: next, inside: inColumnOption(hidden.number), message }];
}

function comparePaths(before: DescField, next: DescField): readonly RuleBreak[] {
  const kept = getOption(next, options.column).path;
  const { path } = options.ColumnOptionsSchema.field;
  return getOption(before, options.column)
    .path.filter((text) => !kept.includes(text) && leadsSomewhere(next, text))
    .map((text) => ({
      rule: "COLUMN_PATH_NO_DELETE",
      desc: next,
      inside: inColumnOption(path.number),
      message: `Column path "${text}" of field "${next.name}" of message "${next.parent.typeName}" was deleted.`,
    }));
}

/** False when a field on the way was deleted, which is a change of its own. */
function leadsSomewhere(from: DescField, text: string): boolean {
  let field: DescField | undefined = from;
  for (const name of text.split(".")) {
    const message: DescMessage | undefined = field.fieldKind === "message" ? field.message : undefined;
    field = message?.fields.find((candidate) => candidate.name === name);
    if (field === undefined) return false;
  }
  return true;
}

function inColumnOption(number: number): readonly number[] {
  return [FieldDescriptorProtoSchema.field.options.number, options.column.number, number];
}
