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
  const all = [["NAME", "CLASS", "LISTENS", "PID", "DATABASE", "WHY"], ...cells];
  const widths = (all[0] ?? []).map((_title, column) =>
    Math.max(...all.map((line) => line[column]?.length ?? 0)),
  );
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
