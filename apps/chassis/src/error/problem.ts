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

/** The public form of an error; `cause` and stack stay inside. */
export function toProblem(error: QuartetError): ProblemBody {
  return {
    type: `urn:quartet:error:${error.code}`,
    title: errorCodes[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(error.fix === undefined ? {} : { fix: error.fix }),
  };
}
