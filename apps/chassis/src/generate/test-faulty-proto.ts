/**
 * A proto that cannot be a table. In its body `»` stands before each place that a fault is shown at, in the order of the
 * faults; the table "x.m" gets a schema of its own.
 */
export interface FaultyProto {
  readonly title: string;
  readonly syntax?: string;
  readonly body: string;
  /** `Message: what`, for each `»`; a place may have several, joined by a line break. */
  readonly faults: readonly string[];
}

/** The text of the proto, alone in its package, and the lines that generating from it prints. */
export function writeFaultyProto({ title, syntax, body, faults }: FaultyProto) {
  const pkg = title.replaceAll(/[^a-z0-9]+/g, "_").replace(/_$/, "");
  const path = `${pkg}/v1/${pkg}.proto`;
  const header = [
    `${syntax ?? 'syntax = "proto3"'};`,
    `package ${pkg}.v1;`,
    'import "google/protobuf/struct.proto";',
    'import "google/protobuf/timestamp.proto";',
    'import "quartet/v1/options.proto";',
  ];
  const own = body.replaceAll('"x.m"', `"${pkg}.m"`);
  const [first = "", ...parts] = `${header.join("\n")}\n${own}\n`.split("»");
  let text = first;
  const expected = parts.flatMap((part, index) => {
    const lines = text.split("\n");
    const place = `${path}:${lines.length}:${(lines.at(-1) ?? "").length + 1}`;
    text += part;
    return (faults[index] ?? "").split("\n").map((fault) => `${place}: ${pkg}.v1.${fault}.`);
  });
  if (parts.length !== faults.length)
    throw new Error(`${title}: ${parts.length} places, ${faults.length} faults`);
  return { path, text, expected };
}

/** A message with a table of its own, and more in the option. */
export function table(rest: string, fields = "string id = 1; string text = 2;"): string {
  return `message M {
  option (quartet.v1.table) = {
    name: "x.m"
    key: "id"
    ${rest}
  };
  ${fields}
}`;
}

/** A table of these fields. */
export function fields(text: string): string {
  return table("", text);
}

/** A table whose key has this type. */
export function keyed(type: string): string {
  return `message M {
  option (quartet.v1.table) = {name: "x.m", »key: "id"};
  ${type} id = 1;
}`;
}

/** A table of this name. */
export function named(name: string): string {
  return `message M {
  option (quartet.v1.table) = {»name: ${JSON.stringify(name)} key: "id"};
  string id = 1;
}`;
}

/** A table of `id`, `text` and more fields, with this index. */
export function indexed(index: string, more: string): string {
  return table(`»index: {${index}}`, `string id = 1; string text = 2; ${more}`);
}

/** A table of `id`, `text` and more fields, with an index on `text` under this condition. */
export function conditioned(condition: string, more: string): string {
  return indexed(`field: "text" where: {${condition}}`, more);
}

/** Lines that differ in a number. */
export function many(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join("\n  ");
}
