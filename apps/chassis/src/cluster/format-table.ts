import { formatColumns } from "./format-columns.ts";
import type { ProcessStatus } from "./supervised-process.ts";

/** What runs where, as aligned columns. */
export function formatTable(rows: readonly ProcessStatus[]): string {
  const cells = rows.map((row) => [
    row.name,
    row.class,
    row.url?.replace("http://", "") ?? "–",
    String(row.pid),
    row.database,
    row.reasons.join("; "),
  ]);
  return formatColumns([["NAME", "CLASS", "LISTENS", "PID", "DATABASE", "WHY"], ...cells]);
}
