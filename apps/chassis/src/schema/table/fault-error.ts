import { QuartetError } from "../../error/quartet-error.ts";

/** The error that shows faults which are formatted already. */
export function faultError(lines: readonly string[]): QuartetError {
  const messages = `${lines.length} ${lines.length === 1 ? "fault keeps" : "faults keep"}`;
  return new QuartetError(
    "invalid_argument",
    `${messages} the protos from being tables:\n${lines.join("\n")}`,
    {
      fix: "Change the protos where the faults are; quartet/v1/options.proto says what (quartet.v1.table) and (quartet.v1.column) take.",
    },
  );
}
