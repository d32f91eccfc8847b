import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  type MessageShape,
  type Registry,
} from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../../error/quartet-error.ts";
import { bindVariables } from "./bind-variables.ts";
import { decodeQuery } from "./decode-query.ts";
import { invalidArgument } from "./invalid-argument.ts";
import { cleanReason, locateFault, nameKind } from "./locate-fault.ts";
import { nestedMessage } from "./message-field.ts";
import { refuseNul } from "./refuse-nul.ts";
import { copyObject, emptyObject, isObject } from "./request-json.ts";
import type { RouteMatch } from "./route-table.ts";

/**
 * The request message of a matched route, made of its path variables, query parameters and parsed JSON body
 * (`google/api/http.proto`, "Rules for HTTP mapping"; ProtoJSON for the values). Unknown fields are refused. A field
 * bound by the path has the path's value. `bodyJson` is undefined when the request has no body and is not changed.
 *
 * The registry resolves Any and extensions.
 *
 * @throws QuartetError `malformed_body` for a body of the wrong shape, else `invalid_argument`. `field` is the place
 * in the request message, such as `items[2].quantity`, in the request's own spelling; with a rule whose body is one
 * field, that field's name comes first.
 */
export function decodeRequest(
  match: RouteMatch<unknown>,
  query: URLSearchParams,
  bodyJson: JsonValue | undefined,
  registry?: Registry,
): Message {
  const { rule, input } = match.route;
  const root = readBody(rule.body, input, bodyJson);
  if (isObject(root)) bindVariables(root, input, match.variables);
  const target = isObject(root) ? root : emptyObject();
  if (query.size > 0) {
    decodeQuery(target, input, query, { body: rule.body, variables: new Set(Object.keys(match.variables)) });
  }
  const message = decodeMessage(input, root, registry);
  refuseNul(root);
  return message;
}

/** The JSON of the request message as far as the body gives it. */
function readBody(body: string, input: DescMessage, json: JsonValue | undefined): JsonValue {
  if (body === "*") return readWholeBody(input, json);
  const root = emptyObject();
  if (json === undefined) return root;
  if (body === "") {
    if (isObject(json) && Object.keys(json).length === 0) return root;
    throw new QuartetError("malformed_body", "This method takes no body.");
  }
  const field = input.fields.find((candidate) => candidate.name === body);
  if (field !== undefined) checkShape(field, json);
  root[body] = json;
  return root;
}

function readWholeBody(input: DescMessage, json: JsonValue | undefined): JsonValue {
  if (hasCustomJsonRepresentation(input)) {
    if (json !== undefined) return json;
    throw new QuartetError("malformed_body", "This method needs a body.");
  }
  if (json === undefined) return emptyObject();
  if (!isObject(json)) throw wrongShape("an object", json);
  return copyObject(json);
}

function checkShape(field: DescField, json: JsonValue): void {
  if (field.fieldKind === "list" && !Array.isArray(json)) throw wrongShape("an array", json);
  const wantsObject = field.fieldKind === "map" || nestedMessage(field) !== undefined;
  if (wantsObject && !isObject(json)) throw wrongShape("an object", json);
}

function wrongShape(expected: string, json: JsonValue): QuartetError {
  return new QuartetError("malformed_body", `The body must be ${expected}, not ${nameKind(json)}.`);
}

/** @throws QuartetError `invalid_argument`, with the place in the message as `field`. */
export function decodeMessage<D extends DescMessage>(
  input: D,
  root: JsonValue | JsonObject,
  registry?: Registry,
): MessageShape<D> {
  try {
    return fromJson(input, root, registry === undefined ? {} : { registry });
  } catch (cause) {
    const fault = locateFault(input, root, registry);
    if (fault !== undefined && fault.path !== "") throw invalidArgument(fault.path, fault.reason, cause);
    const reason = fault?.reason ?? cleanReason(cause);
    throw new QuartetError("invalid_argument", `The request does not decode: ${reason}`, { cause });
  }
}
