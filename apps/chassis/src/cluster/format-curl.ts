import type { ExampleRequest } from "../service/domain.ts";

/** A request as a line for a POSIX shell. */
export function formatCurl(example: ExampleRequest, origin: string): string {
  const body = example.body === undefined ? undefined : JSON.stringify(example.body);
  const headers = Object.entries({
    ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    ...example.headers,
  });
  return [
    "curl -si -w '\\n'",
    ...(example.verb === "GET" ? [] : [`-X ${example.verb}`]),
    ...headers.map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...(body === undefined ? [] : [`-d ${quote(body)}`]),
    quote(origin + example.path),
  ].join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
