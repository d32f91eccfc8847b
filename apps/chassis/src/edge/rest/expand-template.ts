import type { HttpRule } from "./http-rule.ts";
import { invalidArgument } from "./invalid-argument.ts";
import {
  type PathTemplate,
  parsePathTemplate,
  type Segment,
  type TemplateVariable,
} from "./path-template.ts";
import { encodePercent } from "./percent-coding.ts";

const templates = new WeakMap<HttpRule, PathTemplate>();

/** The rule's template, parsed once. */
export function parsedTemplate(rule: HttpRule): PathTemplate {
  let template = templates.get(rule);
  if (template === undefined) {
    template = parsePathTemplate(rule.template);
    templates.set(rule, template);
  }
  return template;
}

/**
 * The path that a template gives with these texts for its variables.
 *
 * @throws QuartetError `invalid_argument`, with the variable as `field`, for a text the template cannot carry.
 */
export function expandTemplate(template: PathTemplate, values: Readonly<Record<string, string>>): string {
  const parts: string[] = [];
  let at = 0;
  for (const variable of template.variables) {
    parts.push(...fixedSegments(template.segments.slice(at, variable.start)));
    parts.push(...variableSegments(template, variable, values[variable.path] ?? ""));
    at = variable.end;
  }
  parts.push(...fixedSegments(template.segments.slice(at)));
  const suffix = template.suffix === "" ? "" : `:${template.suffix}`;
  return `/${parts.join("/")}${suffix}`;
}

function fixedSegments(segments: readonly Segment[]): string[] {
  return segments
    .filter((segment) => segment.kind !== "rest")
    .map((segment) => {
      if (segment.kind === "literal") return segment.text;
      throw invalidArgument("*", "no field says what this segment of the template is");
    });
}

function variableSegments(template: PathTemplate, variable: TemplateVariable, value: string): string[] {
  const encoded = encodePercent(value, variable.multi);
  if (encoded === undefined) throw invalidArgument(variable.path, "is not well-formed Unicode");
  if (encoded === "" && !variable.multi) throw invalidArgument(variable.path, "must not be empty");
  const parts = encoded.split("/");
  // URL parsers remove these, also when escaped (WHATWG URL, "double-dot URL path segment").
  if (parts.some((part) => part === "." || part === "..")) {
    throw invalidArgument(variable.path, "must have no segment . or ..");
  }
  const pattern = template.segments.slice(variable.start, variable.end);
  if (!fits(parts, pattern)) throw invalidArgument(variable.path, `must be of the form ${show(pattern)}`);
  return parts;
}

function fits(parts: readonly string[], pattern: readonly Segment[]): boolean {
  const open = pattern.at(-1)?.kind === "rest";
  if (open ? parts.length < pattern.length - 1 : parts.length !== pattern.length) return false;
  return pattern.every((segment, index) => {
    if (segment.kind === "rest") return true;
    return segment.kind === "literal"
      ? parts[index] === encodePercent(segment.text, false)
      : parts[index] !== "";
  });
}

function show(pattern: readonly Segment[]): string {
  const texts = { one: "*", rest: "**" };
  return pattern
    .map((segment) => (segment.kind === "literal" ? segment.text : texts[segment.kind]))
    .join("/");
}
