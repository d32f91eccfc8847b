/** What an examination of a deployment found. */
export interface Finding {
  /** `ok`: as it should be. `warning`: it works, and somebody should look. `failure`: events do not flow, or are at risk. */
  readonly level: "ok" | "warning" | "failure";
  /** Which part it is of: `main`, `events`, `relay`, `log`, or `subscription <name>`. */
  readonly part: string;
  readonly what: string;
  /** What mends it: a command, or SQL. */
  readonly fix?: string;
}
