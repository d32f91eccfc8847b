import type { DataReport } from "./check-data.ts";
import type { DataFinding } from "./data/finding-book.ts";
import type { CheckedTable } from "./data/table-check.ts";

/** The report for people: what was read, then findings and notes by table. */
export function describeData(report: DataReport): string {
  const lines = report.tables.map((table) => `${table.database.padEnd(6)} ${describeTable(table)}`);
  const { findings, notes } = report;
  const sampled = report.tables.some((table) => !table.whole && table.rows > 0);
  return [
    ...lines,
    ...(sampled ? [`samples of seed ${report.seed}; --all reads every row`] : []),
    ...section("this build would not read these as they are stored", findings),
    ...section("this build does not know these, and keeps them", notes),
    "",
    findings.length === 0
      ? "the stored data is sound: nothing of what was read is lost on this build"
      : `${count(findings.length, "finding")}`,
  ].join("\n");
}

function describeTable({ table, rows, tableRows, whole }: CheckedTable): string {
  const read = rows.toLocaleString("en-US");
  return whole
    ? `${table}: ${read} rows`
    : `${table}: ${read} of about ${tableRows.toLocaleString("en-US")} rows`;
}

function section(title: string, findings: readonly DataFinding[]): string[] {
  return findings.length === 0
    ? []
    : ["", `${title}:`, ...findings.map((finding) => `  ${describe(finding)}`)];
}

function describe({ table, type, path, kind, detail, rows, atLeast, examples }: DataFinding): string {
  const where = [table, type, path].filter((part) => part !== undefined && part !== "").join(" ");
  if (rows === 0) return `${where}: ${kind}: ${detail}`;
  const keys = examples.map((key) => JSON.stringify(key.length === 1 ? key[0] : key)).join(", ");
  return `${where}: ${kind}: ${detail} — ${atLeast ? "at least " : ""}${count(rows, "row")}, such as ${keys}`;
}

function count(number: number, what: string): string {
  return `${number.toLocaleString("en-US")} ${what}${number === 1 ? "" : "s"}`;
}
