import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { MethodDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { http } from "../../gen/google/api/annotations_pb.ts";
import type { HttpRule } from "../../gen/google/api/http_pb.ts";
import { methodName } from "../../schema/method.ts";
import type { OwnRule, RuleBreak } from "./rule-break.ts";

/** Requests of released clients go on being understood: no verb and path may go, none may change its body. More may come. */
export function compareHttpBindings(before: DescMethod, next: DescMethod): readonly RuleBreak[] {
  const kept = new Map(readBindings(next).map((binding) => [binding.request, binding]));
  return readBindings(before).flatMap(({ request, body }) => {
    const same = kept.get(request);
    if (same === undefined) return [breakOf(next, "HTTP_SAME_PATH", `"${request}" was deleted or changed`)];
    if (same.body === body) return [];
    const what = `"${request}" changed its body from "${body}" to "${same.body}"`;
    return [breakOf(next, "HTTP_SAME_BODY", what)];
  });
}

interface BoundRequest {
  /** Verb and path, such as `GET /v1/orders/{order_id}`. */
  readonly request: string;
  readonly body: string;
}

function readBindings(method: DescMethod): readonly BoundRequest[] {
  if (!hasOption(method, http)) return [];
  const rule = getOption(method, http);
  return [rule, ...rule.additionalBindings].flatMap(readBinding);
}

function readBinding({ pattern, body }: HttpRule): readonly BoundRequest[] {
  if (pattern.case === undefined) return [];
  const [verb, path] =
    pattern.case === "custom"
      ? [pattern.value.kind, pattern.value.path]
      : [pattern.case.toUpperCase(), pattern.value];
  // `{id}` is short for `{id=*}`.
  return [{ request: `${verb} ${path.replaceAll("=*}", "}")}`, body }];
}

function breakOf(next: DescMethod, rule: OwnRule, what: string): RuleBreak {
  const inside = [MethodDescriptorProtoSchema.field.options.number, http.number];
  return { rule, desc: next, inside, message: `HTTP binding of method "${methodName(next)}": ${what}.` };
}
