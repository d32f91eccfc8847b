import type { DescMethod } from "@bufbuild/protobuf";
import { MethodDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { methodKind, methodName } from "../../schema/method.ts";
import type { RuleBreak } from "./rule-break.ts";

/**
 * Whether a method is a query, a command or a compute decides which class serves it and what callers may expect. A
 * command's mode is data and may change.
 */
export function compareMethodKinds(before: DescMethod, next: DescMethod): readonly RuleBreak[] {
  const [old, now] = [methodKind(before), methodKind(next)];
  // buf sees a changed idempotency level, and what follows from it.
  if (old === now || before.idempotency !== next.idempotency) return [];
  const { options: own } = MethodDescriptorProtoSchema.field;
  const inside = [own.number, options.method.number, options.MethodOptionsSchema.field.kind.number];
  const message = `Method "${methodName(next)}" changed its kind from ${old} to ${now}.`;
  return [{ rule: "METHOD_SAME_KIND", desc: next, inside, message }];
}
