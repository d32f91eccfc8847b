import { QuartetError } from "../error/quartet-error.ts";
import { sqlStateOf, translateDatabaseError } from "../sql/translate-error.ts";

const readOnlyTransaction = "25006";

/**
 * An error of a handler as the public error it means. Handlers only read, in every class; one that wrote by itself was
 * refused by the database, and no retry and no other class may help it.
 */
export function translateHandlerError(error: unknown): unknown {
  if (sqlStateOf(error) !== readOnlyTransaction) return translateDatabaseError(error);
  return new QuartetError("permission_denied", "A handler tried to write: the database refused.", {
    cause: error,
    fix: "Say what is to be written with ctx.write(…), and write it in a write(…).",
  });
}
