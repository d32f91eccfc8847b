import { QuartetError } from "../../error/quartet-error.ts";

/** For tests: the QuartetError that `run` throws. Fails when it throws nothing, or something else. */
export function caught(run: () => unknown): QuartetError {
  try {
    run();
  } catch (error) {
    if (error instanceof QuartetError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
