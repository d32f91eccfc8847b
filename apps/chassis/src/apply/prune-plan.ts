import type { ClientBase } from "pg";
import { historyNames } from "../pbtable/history/history-names.ts";
import { startOfMonth } from "../pbtable/history/month.ts";
import { quoteIdentifier, quoteLiteral } from "../schema/identifier.ts";
import type { Table } from "../schema/table/table.ts";
import { noLock, type Step } from "./step.ts";

/** One step of a pruning. */
export interface PruneStep extends Step {
  /** `schema.table` whose history it is. */
  readonly table: string;
  /** A statement that deletes so many rows at most, and is run until there are fewer. Undefined: it is run once. */
  readonly batchRows?: number;
}

const batchRows = 5_000;

/**
 * What is older than the retention of histories: months that are wholly so are dropped, and rows of such months that
 * are in the default partition deleted. Tables without retention, and histories that no apply has made yet, have none.
 *
 * Each step moves the table's horizon in the very transaction that removes something, so that nobody reads a past that
 * is not all there.
 *
 * @param now by the database's clock
 */
export async function planPrune(
  client: ClientBase,
  tables: readonly Table[],
  now: Date,
): Promise<readonly PruneStep[]> {
  const steps: PruneStep[] = [];
  for (const table of tables) {
    const before = boundaryOf(table, now);
    if (before === undefined || !(await hasHistory(client, table))) continue;
    const months = await readOldMonths(client, table, before);
    steps.push(...months.map((month) => dropStep(table, month, before)));
    if (await hasOldRows(client, table, before)) steps.push(deleteStep(table, before));
  }
  return steps;
}

/** The first instant that is kept: that of a month, since months are dropped whole. Undefined: all is kept. */
function boundaryOf(table: Table, now: Date): Date | undefined {
  const seconds = table.history?.retentionSeconds;
  if (seconds === undefined) return undefined;
  const before = startOfMonth(new Date(now.getTime() - Number(seconds) * 1_000));
  // A retention of thousands of years is none that prunes anything, and Postgres would not read such a year.
  return before.getUTCFullYear() < 1970 ? undefined : before;
}

async function hasHistory(client: ClientBase, table: Table): Promise<boolean> {
  const found = await client.query("select where to_regclass($1) is not null", [historyNames(table).table]);
  return found.rowCount === 1;
}

interface OldMonth {
  readonly name: string;
  readonly size: string;
}

/** The month's end is read from the catalog: a name proves nothing. */
async function readOldMonths(client: ClientBase, table: Table, before: Date): Promise<readonly OldMonth[]> {
  const found = await client.query<OldMonth>(
    `select name, pg_size_pretty(pg_total_relation_size(oid)) as size from (
  select c.oid, c.relname::text as name,
    (regexp_match(pg_get_expr(c.relpartbound, c.oid), $r$TO \\('([^']+)'\\)$r$))[1]::timestamptz as month_end
  from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = to_regclass($1)
) as month where month_end <= $2::timestamptz order by month_end`,
    [historyNames(table).table, before.toISOString()],
  );
  return found.rows;
}

async function hasOldRows(client: ClientBase, table: Table, before: Date): Promise<boolean> {
  const { defaultPartition, column } = historyNames(table);
  const found = await client.query(
    `select from ${defaultPartition} where ${column.changed_at} < $1::timestamptz limit 1`,
    [before.toISOString()],
  );
  return found.rowCount === 1;
}

/**
 * `detach partition … concurrently`, which would hold up nobody, is not for tables with a default partition. So the
 * partition is dropped while nobody writes to the table for a moment; its files go after the locks.
 */
function dropStep(table: Table, { name, size }: OldMonth, before: Date): PruneStep {
  const names = historyNames(table);
  const partition = `${quoteIdentifier(table.schemaName)}.${quoteIdentifier(name)}`;
  return {
    table: table.name,
    what: `drop ${table.schemaName}.${name} (${size})`,
    sql: `${moveHorizonSql(table, before)};\ndrop table if exists ${partition}`,
    lock: `access exclusive on ${table.name}_history: writers of ${table.name} wait`,
    duration: "milliseconds: its files are removed after the locks are gone",
    locks: { relation: names.table, mode: "access exclusive" },
  };
}

function deleteStep(table: Table, before: Date): PruneStep {
  const { defaultPartition: rows, column } = historyNames(table);
  const old = `select ctid from ${rows} where ${column.changed_at} < ${quoteLiteral(before.toISOString())} limit ${batchRows}`;
  return {
    table: table.name,
    what: `delete rows of before ${before.toISOString().slice(0, 10)} from ${table.name}_history_default`,
    sql: `with moved as (${moveHorizonSql(table, before)})\ndelete from ${rows} where ctid = any(array(${old}))`,
    lock: noLock,
    duration: `as long as there are rows, ${batchRows} at a time`,
    batchRows,
  };
}

function moveHorizonSql(table: Table, before: Date): string {
  const values = [table.name, before.toISOString()].map(quoteLiteral).join(", ");
  return (
    `insert into quartet.history_horizon as kept (table_name, horizon) values (${values}) ` +
    "on conflict (table_name) do update set horizon = greatest(kept.horizon, excluded.horizon)"
  );
}
