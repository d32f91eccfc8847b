import { errorCodes } from "./error-codes.ts";
import { QuartetError } from "./quartet-error.ts";

/** The body of an `application/problem+json` answer (RFC 9457, section 3) with Quartet's extension members. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly field?: string;
  readonly fix?: string;
}

/** Any thrown value as a QuartetError: itself, or `internal` with the value as cause and no detail leaked. */
export function toQuartetError(thrown: unknown): QuartetError {
  if (thrown instanceof QuartetError) return thrown;
  return new QuartetError("internal", "The server failed to answer. The fault is logged.", { cause: thrown });
}

/**
 * The header that tells where the database was: `Quartet-Position`, to be sent back as that of any answer; of a replica
 * that is behind, `Quartet-Replayed`, which is news for a gateway and nothing to go back to.
 */
export function placeHeader({ code, position }: QuartetError): Readonly<Record<string, string>> {
  if (position === undefined) return {};
  return { [code === "stale" ? "Quartet-Replayed" : "Quartet-Position"]: position };
}

/**
 * The public form of an error; `cause` and stack stay inside. Its text can be stored: one that was cut in the middle of a
 * character, or quotes what no database takes, must not turn a refusal that is to be kept into another error.
 */
export function toProblem(error: QuartetError): ProblemBody {
  return {
    type: `urn:quartet:error:${error.code}`,
    title: errorCodes[error.code].title,
    status: error.status,
    detail: storableText(error.message),
    code: error.code,
    ...(error.field === undefined ? {} : { field: storableText(error.field) }),
    ...(error.fix === undefined ? {} : { fix: storableText(error.fix) }),
  };
}

/** U+FFFD stands for U+0000 and halves of surrogate pairs. */
function storableText(text: string): string {
  return text.replaceAll("\0", "\ufffd").toWellFormed();
}
