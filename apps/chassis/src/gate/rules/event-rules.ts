import { type DescMessage, getOption } from "@bufbuild/protobuf";
import { DescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { aggregateTypeOf } from "../../schema/event.ts";
import type { RuleBreak } from "./rule-break.ts";

const { field } = options.EventOptionsSchema;

/** What orders an event, and the topic it is found under. An event without a key promised no order: it may get one. */
export function compareEvents(before: DescMessage, next: DescMessage): readonly RuleBreak[] {
  const [oldKey, newKey] = [getOption(before, options.event).key, getOption(next, options.event).key];
  const [oldType, newType] = [aggregateTypeOf(before), aggregateTypeOf(next)];
  const breaks: RuleBreak[] = [];
  if (oldKey !== "" && oldKey !== newKey) {
    breaks.push({
      rule: "EVENT_SAME_KEY",
      desc: next,
      inside: inEventOption(field.key.number),
      message: `Event "${next.typeName}" changed its key from "${oldKey}" to "${newKey}".`,
    });
  }
  if (oldType !== newType) {
    breaks.push({
      rule: "EVENT_SAME_AGGREGATE_TYPE",
      desc: next,
      inside: inEventOption(field.aggregateType.number),
      message: `Event "${next.typeName}" changed its aggregate type from "${oldType}" to "${newType}".`,
    });
  }
  return breaks;
}

function inEventOption(number: number): readonly number[] {
  return [DescriptorProtoSchema.field.options.number, options.event.number, number];
}
