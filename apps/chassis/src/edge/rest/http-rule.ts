import type { DescMessage } from "@bufbuild/protobuf";

export type HttpVerb = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One binding of a `google.api.http` option, with the pattern's verb and path taken apart. */
export interface HttpRule {
  readonly verb: HttpVerb;
  /** Path template, such as `/v1/orders/{order_id}:cancel` or `/v1/{name=shelves/*}/books`. */
  readonly template: string;
  /** `""`: no body. `"*"`: every field not bound by the path. Else the proto name of one top-level field. */
  readonly body: string;
  /** `""`: the whole response. Else the proto name of the response field that is the body. */
  readonly responseBody: string;
}

/** A rule, the request message it fills, and what the caller wants back when it matches. */
export interface RestRoute<T> {
  readonly rule: HttpRule;
  readonly input: DescMessage;
  readonly target: T;
}
