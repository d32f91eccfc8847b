import { expect, test } from "vitest";
import { createServerLogFilter } from "./server-log-filter.ts";

test("trouble is shown with its details, routine is not", () => {
  const isNoteworthy = createServerLogFilter();
  const lines = [
    "2026-01-01 00:00:00.000 UTC [1] LOG:  starting PostgreSQL",
    "2026-01-01 00:00:00.000 UTC [1] DETAIL:  of no interest",
    "2026-01-01 00:00:00.000 UTC [1] ERROR:  relation does not exist",
    "2026-01-01 00:00:00.000 UTC [1] STATEMENT:  select",
    "\tfrom nowhere",
    "2026-01-01 00:00:00.000 UTC [1] LOG:  checkpoint",
  ];
  expect(lines.map((line) => isNoteworthy("primary", line))).toEqual([false, false, true, true, true, false]);
});
