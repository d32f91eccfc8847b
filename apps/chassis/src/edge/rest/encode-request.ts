import { type JsonValue, type Message, type Registry, toJson } from "@bufbuild/protobuf";
import { encodeQuery } from "./encode-query.ts";
import { expandTemplate, parsedTemplate } from "./expand-template.ts";
import type { HttpVerb, RestRoute } from "./http-rule.ts";
import { isObject } from "./request-json.ts";
import { takeVariable } from "./take-variable.ts";

/** A request as a client sends it. */
export interface RestRequest {
  readonly verb: HttpVerb;
  /** Percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Undefined: send no body. */
  readonly body: JsonValue | undefined;
}

/**
 * The inverse of `decodeRequest`: what comes out decodes to an equal message, given that the path reaches this route
 * (a value that spells another route's literal goes there instead). Unknown fields are not sent.
 *
 * @throws QuartetError `invalid_argument` when the message does not fit the rule: a variable that is empty, a dot
 * segment (which clients remove from paths, even escaped) or not of the template's form, or a field that only a body
 * could carry.
 */
export function encodeRequest(
  route: Pick<RestRoute<unknown>, "rule" | "input">,
  message: Message,
  registry?: Registry,
): RestRequest {
  const { rule, input } = route;
  const json = toJson(input, message, registry === undefined ? {} : { registry });
  const template = parsedTemplate(rule);
  if (!isObject(json)) {
    return { verb: rule.verb, path: expandTemplate(template, {}), query: new URLSearchParams(), body: json };
  }
  const values: Record<string, string> = Object.create(null);
  for (const { path } of template.variables) values[path] = takeVariable(json, input, path);
  const path = expandTemplate(template, values);
  if (rule.body === "*") return { verb: rule.verb, path, query: new URLSearchParams(), body: json };
  const bodyKey = input.fields.find((field) => field.name === rule.body)?.jsonName;
  const body = bodyKey === undefined ? undefined : json[bodyKey];
  if (bodyKey !== undefined) delete json[bodyKey];
  return { verb: rule.verb, path, query: encodeQuery(json, input, Object.keys(values)), body };
}
