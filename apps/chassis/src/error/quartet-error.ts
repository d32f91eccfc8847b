import { type ErrorCode, errorCodes } from "./error-codes.ts";

/** What may accompany an error: the cause, where the fault is, what mends it, when to come back. */
export interface ErrorExtras {
  readonly cause?: unknown;
  /** JSON path, header or parameter name of the offending input, such as `items[2].sku`. */
  readonly field?: string;
  /** What the reader can do about it: an SQL statement, a command, a value. */
  readonly fix?: string;
  /** Seconds after which a retry makes sense; becomes the `Retry-After` header. */
  readonly retryAfterSeconds?: number;
  /** For `method_not_allowed`: the methods that are; becomes the `Allow` header. */
  readonly allow?: readonly string[];
  /** Where the database was that the error was found in; see `placeHeader`. */
  readonly position?: string;
}

/**
 * The only error class of Quartet. `message` is shown to clients, so it names the input, never a secret.
 * HTTP status, RPC code and retry are read from {@link errorCodes}, never from the message.
 */
export class QuartetError extends Error {
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly fix: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly allow: readonly string[] | undefined;
  readonly position: string | undefined;

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = "QuartetError";
    this.code = code;
    this.field = extras.field;
    this.fix = extras.fix;
    this.retryAfterSeconds = extras.retryAfterSeconds;
    this.allow = extras.allow;
    this.position = extras.position;
  }

  /** The same error, found at a place. */
  at(position: string): QuartetError {
    const { message, cause, field, fix, retryAfterSeconds, allow } = this;
    const extras = { cause, field, fix, retryAfterSeconds, allow };
    const given = Object.entries(extras).filter(([, value]) => value !== undefined);
    return new QuartetError(this.code, message, { ...Object.fromEntries(given), position });
  }

  get status(): number {
    return errorCodes[this.code].status;
  }

  get retry(): boolean {
    return errorCodes[this.code].retry;
  }
}
