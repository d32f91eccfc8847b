import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../../error/quartet-error.ts";
import type { HttpRule, RestRoute } from "./http-rule.ts";
import { resolveFieldPath } from "./message-field.ts";
import type { PathTemplate } from "./path-template.ts";

const VERBS: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

/**
 * Checks a route against its request message: every variable is a singular scalar or enum, the body is one existing
 * top-level field that no variable binds as a whole, and a message with its own JSON form (a Struct, a wrapper) is
 * the whole body.
 *
 * @throws QuartetError `invalid_argument`.
 */
export function checkRoute(route: RestRoute<unknown>, template: PathTemplate): void {
  const { rule, input } = route;
  if (!VERBS.has(rule.verb)) throw badRoute(rule, `${rule.verb} is not a verb`);
  if (hasCustomJsonRepresentation(input) && rule.body !== "*") {
    throw badRoute(rule, `${input.typeName} is not a JSON object, so it can only be the body "*"`);
  }
  for (const { path } of template.variables) checkVariable(rule, input, path);
  if (rule.body !== "" && rule.body !== "*") checkBody(rule, input, template);
}

/** The rule as errors name it. */
export function describeRule(rule: HttpRule): string {
  return `${rule.verb} ${rule.template}`;
}

export function badRoute(rule: HttpRule, reason: string): QuartetError {
  return new QuartetError("invalid_argument", `Route ${describeRule(rule)}: ${reason}.`);
}

function checkVariable(rule: HttpRule, input: DescMessage, path: string): void {
  const leaf = hasCustomJsonRepresentation(input) ? undefined : resolveFieldPath(input, path)?.at(-1);
  if (leaf === undefined) throw badRoute(rule, `${input.typeName} has no field ${path}`);
  const kind = unfit(leaf);
  if (kind !== undefined) throw badRoute(rule, `${path} is a ${kind} field and cannot be a path variable`);
}

function unfit(field: DescField): string | undefined {
  switch (field.fieldKind) {
    case "list":
      return "repeated";
    case "map":
      return "map";
    case "message":
      return "message";
    default:
      return undefined;
  }
}

function checkBody(rule: HttpRule, input: DescMessage, template: PathTemplate): void {
  if (!input.fields.some((field) => field.name === rule.body)) {
    throw badRoute(rule, `${input.typeName} has no field ${rule.body} for the body`);
  }
  if (template.variables.some(({ path }) => path === rule.body)) {
    throw badRoute(rule, `${rule.body} is bound by the path and by the body`);
  }
}
