import { QuartetError } from "../error/quartet-error.ts";

/** Longest identifier Postgres keeps; longer ones are cut silently, so they are refused. */
const maxIdentifierBytes = 63;

/** True when Postgres keeps the name as it is. */
export function fitsIdentifier(name: string): boolean {
  return name.length > 0 && !name.includes("\0") && Buffer.byteLength(name) <= maxIdentifierBytes;
}

/** Quotes one SQL identifier. The only way identifiers enter SQL. */
export function quoteIdentifier(name: string): string {
  if (!fitsIdentifier(name)) {
    throw new QuartetError("invalid_argument", `"${name}" cannot be an SQL identifier.`, {
      fix: `Use 1 to ${maxIdentifierBytes} bytes.`,
    });
  }
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes the body of a function or of `do`, whatever names and texts are in it; readable where nothing is against it. */
export function quoteBody(body: string): string {
  return body.includes("$quartet$") || body.endsWith("$quartet")
    ? quoteLiteral(body)
    : `$quartet$${body}$quartet$`;
}

/** Quotes an SQL text literal, for DDL, where values cannot be bound. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
