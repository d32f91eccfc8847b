import { QuartetError } from "../../error/quartet-error.ts";

/** An `invalid_argument` error whose message begins with the field it is about, cut to 200 characters. */
export function invalidArgument(path: string, reason: string, cause?: unknown): QuartetError {
  const field = path.length > 200 ? `${path.slice(0, 199)}…` : path;
  return new QuartetError("invalid_argument", `${field}: ${reason}`, { field, cause });
}

/** A value as it may be shown in a message: quoted, one line, cut to 60 characters. */
export function quote(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 59)}…` : value);
}
