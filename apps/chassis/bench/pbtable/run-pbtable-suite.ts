import { type Contestant, describeResult, runContest } from "../harness/contest.ts";
import { atLeast, type Figure, reported } from "../harness/figure.ts";
import { describeMachine } from "../harness/machine.ts";
import type { SuiteOptions } from "../main.ts";
import { measureApply } from "./apply-figures.ts";
import { type BenchTables, fillTables, openBenchTables } from "./bench-tables.ts";
import { columnScanContest, getContest, messageScanContest, openHttpContest } from "./read-contests.ts";
import { createPatchContest, createUpdateContest, insertContest } from "./write-contests.ts";

/** Pbtables beside a relational table of the same fields, made by hand and read and written through Kysely. */
export async function runPbtableSuite(options: SuiteOptions): Promise<readonly Figure[]> {
  await using tables = await openBenchTables();
  options.log(describeMachine(tables.postgres));
  const rows = options.quick ? 20_000 : 100_000;
  options.log(`filling both tables with ${rows.toLocaleString("en-US")} rows`);
  await fillTables(tables, rows);
  const contest = async (parts: Contest) => {
    const plan = { ...parts, rounds: options.quick ? 5 : 11, log: options.log };
    const result = await runContest(plan);
    const figure = { name: parts.name, value: result.ratio, unit: "x", note: describeResult(plan, result) };
    return parts.bound === undefined ? reported(figure) : atLeast(parts.bound, figure);
  };
  const size = await measureSize(tables);
  const scale = options.quick ? 1 : 3;
  const figures = [
    await contest({
      name: "get by key",
      bound: 0.9,
      contestants: getContest(tables, rows),
      count: 4_000 * scale,
    }),
    await httpContest(tables, rows, 4_000 * scale, contest),
    await contest({
      name: "range scan, columns",
      bound: 0.8,
      contestants: columnScanContest(tables),
      count: 500 * scale,
    }),
    await contest({
      name: "range scan, messages",
      bound: 0.8,
      contestants: messageScanContest(tables),
      count: 300 * scale,
    }),
    await contest({
      name: "update in one statement",
      bound: 0.85,
      contestants: await createPatchContest(tables, rows),
      count: 3_000 * scale,
    }),
    await contest({
      name: "update, read first",
      bound: 0.85,
      contestants: await createUpdateContest(tables, rows),
      count: 1_500 * scale,
    }),
    await contest({
      name: "insert",
      bound: 0.85,
      contestants: insertContest(tables, rows),
      count: 3_000 * scale,
    }),
    ...size,
  ];
  return [...figures, ...(await measureApply(tables.database, options.log))];
}

interface Contest {
  readonly name: string;
  readonly bound?: number;
  readonly contestants: readonly [Contestant, Contestant];
  readonly count: number;
}

async function httpContest(
  tables: BenchTables,
  rows: number,
  count: number,
  contest: (parts: Contest) => Promise<Figure>,
): Promise<Figure> {
  await using http = await openHttpContest(tables, rows);
  return await contest({ name: "get by key to HTTP", bound: 1, contestants: http.pair, count });
}

/** Right after filling, before updates have left anything behind. */
async function measureSize({ database }: BenchTables): Promise<Figure[]> {
  const [row] = await database.query<{ ours: number; theirs: number }>(
    `select pg_total_relation_size('bench.items')::float8 as ours,
  pg_total_relation_size('bench.hand_made')::float8 as theirs`,
  );
  const { ours, theirs } = row ?? { ours: 0, theirs: 1 };
  const note = `pbtable ${formatMegabytes(ours)}, hand-made ${formatMegabytes(theirs)}, indexes included`;
  return [reported({ name: "size on disk", value: ours / theirs, unit: "x", note })];
}

function formatMegabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
