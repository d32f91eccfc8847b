import { TableWriter } from "../../src/pbtable/table-writer.ts";
import { tableOf } from "../../src/schema/table/table.ts";
import { runTransaction } from "../../src/sql/run-transaction.ts";
import { type Contestant, inParallel } from "../harness/contest.ts";
import { type BenchTables, itemInit, width } from "./bench-tables.ts";
import { handMadeRow } from "./hand-made.ts";
import { benchRegistry, ItemSchema, itemValues } from "./item.ts";

type Pair = readonly [Contestant, Contestant];

/** One row an operation, each in a transaction of its own. Begins at ids that nobody has. */
export function insertContest({ items, handMade, database }: BenchTables, firstId: number): Pair {
  const next = { pbtable: firstId, handMade: firstId };
  return [
    {
      name: "pbtable",
      run: async (count) => {
        const start = next.pbtable;
        next.pbtable += count;
        await inParallel(count, width, (index) => items.insert(itemInit(itemValues(start + index))));
      },
      verify: (done) => requireRows(database, "bench.items", firstId + done),
    },
    {
      name: "hand-made",
      run: async (count) => {
        const start = next.handMade;
        next.handMade += count;
        await inParallel(count, width, (index) =>
          handMade
            .insertInto("bench.hand_made")
            .values(handMadeRow(itemValues(start + index)))
            .execute(),
        );
      },
      verify: (done) => requireRows(database, "bench.hand_made", firstId + done),
    },
  ];
}

/** Two columns of a row by its key, in one statement. */
export async function createPatchContest(tables: BenchTables, rows: number): Promise<Pair> {
  const { items, handMade } = tables;
  // A patch to what is there already changes nothing, so each one brings a quantity of its own.
  let quantity = 1_000;
  return withVersions(tables, [
    {
      name: "pbtable patch",
      run: (count) =>
        inParallel(count, width, (index) =>
          items.patch(idOf(index, rows), { quantity: quantity++, note: "Changed" }),
        ),
    },
    {
      name: "hand-made update",
      run: (count) =>
        inParallel(count, width, (index) =>
          handMade
            .updateTable("bench.hand_made")
            .set((row) => ({
              quantity: quantity++,
              note: "Changed",
              version: row("version", "+", 1n),
            }))
            .where("id", "=", idOf(index, rows))
            .execute(),
        ),
    },
  ]);
}

/** Read under a lock, decide, write back: one transaction. */
export async function createUpdateContest(tables: BenchTables, rows: number): Promise<Pair> {
  const { pool, handMade } = tables;
  return withVersions(tables, [
    {
      name: "pbtable update",
      run: (count) =>
        inParallel(count, width, (index) =>
          runTransaction(pool, (client) =>
            new TableWriter(tableOf(ItemSchema), client, benchRegistry).update(idOf(index, rows), (draft) => {
              const item = draft as unknown as { quantity: number; active: boolean }; // descriptors of the suite have no types
              item.quantity += 1;
              item.active = !item.active;
            }),
          ),
        ),
    },
    {
      name: "hand-made read and update",
      run: (count) =>
        inParallel(count, width, (index) =>
          handMade.transaction().execute(async (tx) => {
            const row = await tx
              .selectFrom("bench.hand_made")
              .selectAll()
              .where("id", "=", idOf(index, rows))
              .forUpdate()
              .executeTakeFirstOrThrow();
            await tx
              .updateTable("bench.hand_made")
              .set({ quantity: row.quantity + 1, active: !row.active, version: row.version + 1n })
              .where("id", "=", row.id)
              .execute();
          }),
        ),
    },
  ]);
}

function idOf(index: number, rows: number): string {
  return `item-${(index * 7) % rows}`;
}

/** Lets two contestants prove their updates: each one has raised a version by one. */
async function withVersions({ database }: BenchTables, [ours, theirs]: Pair): Promise<Pair> {
  const [oursBefore, theirsBefore] = [
    await sumOfVersions(database, "bench.items"),
    await sumOfVersions(database, "bench.hand_made"),
  ];
  return [
    { ...ours, verify: (done) => requireVersions(database, "bench.items", oursBefore + done) },
    { ...theirs, verify: (done) => requireVersions(database, "bench.hand_made", theirsBefore + done) },
  ];
}

async function requireRows(
  database: BenchTables["database"],
  table: string,
  expected: number,
): Promise<void> {
  const [row] = await database.query<{ count: number }>(`select count(*)::int as count from ${table}`);
  if (row?.count !== expected) throw new Error(`${table} has ${row?.count} rows, not ${expected}`);
}

async function sumOfVersions(database: BenchTables["database"], table: string): Promise<number> {
  const [row] = await database.query<{ sum: number }>(`select sum(version)::float8 as sum from ${table}`);
  return row?.sum ?? 0;
}

async function requireVersions(
  database: BenchTables["database"],
  table: string,
  expected: number,
): Promise<void> {
  const sum = await sumOfVersions(database, table);
  if (sum !== expected) throw new Error(`the versions in ${table} add up to ${sum}, not ${expected}`);
}
