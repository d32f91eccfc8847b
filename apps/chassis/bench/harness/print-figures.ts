import type { Figure } from "./figure.ts";

/** The figures as a table for people. */
export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.name,
    `${formatValue(figure.value)} ${figure.unit}`.trim(),
    figure.bound ?? "",
    figure.holds === undefined ? "" : figure.holds ? "holds" : "MISSED",
    figure.note,
  ]);
  const all = [["figure", "value", "bound", "", "made of"], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The last line of `--json`. */
export function formatJson(suite: string, figures: readonly Figure[]): string {
  const shown = figures.map(({ name, value, unit, bound, holds }) => ({
    name,
    value: Number(value.toPrecision(6)),
    unit,
    bound: bound ?? null,
    holds: holds ?? null,
  }));
  return JSON.stringify({ suite, figures: shown });
}

function formatValue(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(2);
}
