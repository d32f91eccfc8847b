import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { http } from "../gen/google/api/annotations_pb.ts";
import type { HttpRule as HttpRuleMessage } from "../gen/google/api/http_pb.ts";
import * as options from "../gen/quartet/v1/options_pb.ts";

export type MethodKind = "query" | "command" | "compute";
export type CommandMode = "direct" | "offloaded" | "async";
/** How fresh the data is that a query answers from: any replica's, one at or past the client's position, the primary's. */
export type Consistency = "eventual" | "own_writes" | "strong";
export type HttpVerb = "GET" | "PUT" | "POST" | "DELETE" | "PATCH";

/** One `google.api.http` binding of a method. */
export interface HttpBinding {
  readonly verb: HttpVerb;
  /** Path template, such as `/v1/orders/{order_id}:cancel`. */
  readonly template: string;
  /** Field that is the body; `*`: all that the path does not name; empty: no body. */
  readonly body: string;
}

/** `package.Service/Method`: the name of a method in routes, operations and logs. */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

const optionsOf = new WeakMap<DescMethod, options.MethodOptions>();

/** Parsed once: each request asks for them. */
function methodOptions(method: DescMethod): options.MethodOptions {
  const found = optionsOf.get(method) ?? getOption(method, options.method);
  optionsOf.set(method, found);
  return found;
}

/** What the method does to data, by its options: NO_SIDE_EFFECTS makes a query, anything else is a command. */
export function methodKind(method: DescMethod): MethodKind {
  switch (methodOptions(method).kind) {
    case options.MethodKind.QUERY:
      return "query";
    case options.MethodKind.COMMAND:
      return "command";
    case options.MethodKind.COMPUTE:
      return "compute";
    default:
      return method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS ? "query" : "command";
  }
}

/** The mode a command has unless the route table says otherwise. */
export function defaultMode(method: DescMethod): CommandMode {
  switch (methodOptions(method).mode) {
    case options.CommandMode.OFFLOADED:
      return "offloaded";
    case options.CommandMode.ASYNC:
      return "async";
    default:
      return "direct";
  }
}

/** The consistency a query has unless the route table says otherwise. */
export function defaultConsistency(method: DescMethod): Consistency {
  switch (methodOptions(method).consistency) {
    case options.Consistency.EVENTUAL:
      return "eventual";
    case options.Consistency.STRONG:
      return "strong";
    default:
      return "own_writes";
  }
}

/** The REST bindings of a method, its `additional_bindings` included. Empty when it has none. */
export function httpBindings(method: DescMethod): readonly HttpBinding[] {
  if (!hasOption(method, http)) return [];
  const rule = getOption(method, http);
  return [rule, ...rule.additionalBindings].flatMap(readBinding);
}

function readBinding(rule: HttpRuleMessage): readonly HttpBinding[] {
  const { case: verb, value } = rule.pattern;
  if (verb === undefined || verb === "custom") return [];
  const verbs = { get: "GET", put: "PUT", post: "POST", delete: "DELETE", patch: "PATCH" } as const;
  return [{ verb: verbs[verb], template: value, body: rule.body }];
}
