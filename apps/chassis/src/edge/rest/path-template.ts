import { QuartetError } from "../../error/quartet-error.ts";

/** One segment of a template: fixed text, `*` (one segment, not empty) or `**` (all that is left, also nothing). */
export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "one" }
  | { readonly kind: "rest" };

/** A variable covers the segments from `start` up to, not including, `end`. */
export interface TemplateVariable {
  /** Dotted proto field names. */
  readonly path: string;
  readonly start: number;
  readonly end: number;
  /** True when it may cover more than one segment: `/` then separates, and `%2F` is not decoded. */
  readonly multi: boolean;
}

export interface PathTemplate {
  readonly segments: readonly Segment[];
  readonly variables: readonly TemplateVariable[];
  /** What follows the last `:`, or `""`. */
  readonly suffix: string;
}

// RFC 3986 pchar without `*`, `:` and escapes, which a template has no use for.
const LITERAL = /^[A-Za-z0-9\-._~!$&'()+,;=@]+$/;
const FIELD_PATH = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;

/**
 * Parses a template by the grammar of `google/api/http.proto`:
 * `"/" Segments [":" LITERAL]`, where a segment is `*`, `**`, a literal or `{field.path[=Segments]}`. The bare root
 * `/` is allowed too. `**` must come last, variables do not nest, no field is bound twice.
 *
 * @throws QuartetError `invalid_argument` that says what is wrong and where.
 */
export function parsePathTemplate(template: string): PathTemplate {
  if (template === "/") return { segments: [], variables: [], suffix: "" };
  const parser = new TemplateParser(template);
  const parsed = parser.parse();
  checkRestIsLast(template, parsed.segments);
  checkNoVariableTwice(template, parsed.variables);
  return parsed;
}

class TemplateParser {
  readonly #template: string;
  readonly #segments: Segment[] = [];
  readonly #variables: TemplateVariable[] = [];
  #at = 0;

  constructor(template: string) {
    this.#template = template;
  }

  parse(): PathTemplate {
    while (this.#template[this.#at] === "/") {
      this.#at++;
      if (this.#template[this.#at] === "{") this.#variable();
      else this.#segments.push(plainSegment(this.#template, this.#until(/[/:{]/)));
    }
    return { segments: this.#segments, variables: this.#variables, suffix: this.#suffix() };
  }

  #variable(): void {
    const close = this.#template.indexOf("}", this.#at);
    if (close < 0) throw badTemplate(this.#template, "a { is never closed");
    const [path = "", pattern = "*", ...more] = this.#template.slice(this.#at + 1, close).split("=");
    if (!FIELD_PATH.test(path)) throw badTemplate(this.#template, `{${path}} is not a field path`);
    if (more.length > 0) throw badTemplate(this.#template, `{${path}} has more than one =`);
    const inner = pattern.split("/").map((text) => plainSegment(this.#template, text));
    const start = this.#segments.length;
    this.#segments.push(...inner);
    const multi = inner.length > 1 || inner.some((segment) => segment.kind === "rest");
    this.#variables.push({ path, start, end: this.#segments.length, multi });
    this.#at = close + 1;
  }

  #suffix(): string {
    if (this.#at === 0) throw badTemplate(this.#template, "it must begin with /");
    if (this.#at === this.#template.length) return "";
    const suffix = this.#template.slice(this.#at + 1);
    if (this.#template[this.#at] !== ":" || !LITERAL.test(suffix)) {
      throw badTemplate(this.#template, `${JSON.stringify(this.#template.slice(this.#at))} is not expected`);
    }
    return suffix;
  }

  #until(stop: RegExp): string {
    const rest = this.#template.slice(this.#at);
    const length = rest.search(stop);
    const text = length < 0 ? rest : rest.slice(0, length);
    this.#at += text.length;
    return text;
  }
}

function plainSegment(template: string, text: string): Segment {
  if (text === "*") return { kind: "one" };
  if (text === "**") return { kind: "rest" };
  if (text === "") throw badTemplate(template, "a segment is empty");
  // Clients resolve dot segments before they send a path (RFC 3986, section 5.2.4), so these would never match.
  if (!LITERAL.test(text) || text === "." || text === "..") {
    throw badTemplate(template, `${JSON.stringify(text)} is not a literal`);
  }
  return { kind: "literal", text };
}

function checkRestIsLast(template: string, segments: readonly Segment[]): void {
  const rest = segments.findIndex((segment) => segment.kind === "rest");
  if (rest >= 0 && rest < segments.length - 1) throw badTemplate(template, "** must be the last segment");
}

function checkNoVariableTwice(template: string, variables: readonly TemplateVariable[]): void {
  const seen = new Set<string>();
  for (const { path } of variables) {
    if (seen.has(path)) throw badTemplate(template, `{${path}} is bound twice`);
    seen.add(path);
  }
}

function badTemplate(template: string, reason: string): QuartetError {
  return new QuartetError("invalid_argument", `Path template ${JSON.stringify(template)}: ${reason}.`);
}
