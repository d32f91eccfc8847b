import { quoteBody, quoteIdentifier, quoteLiteral } from "../../schema/identifier.ts";
import type { Table } from "../../schema/table/table.ts";
import type { DdlObject } from "../ddl-object.ts";
import { changeTriggerObjects } from "./change-trigger.ts";
import { type HistoryNames, historyNames } from "./history-names.ts";
import { createMonthSql, type Month, monthsAround } from "./month.ts";

/**
 * What keeps every change of a row in `schema.table_history`, in the transaction of the change, whoever makes it, and
 * `schema.table_as_of(timestamptz)`, which reads the table as it was.
 *
 * Partitioned by the month of the change, so that old months can be dropped whole. Changes outside every month land in
 * the default partition, so that a write never fails for want of one.
 *
 * Needs `changeFunctions()`. Empty for a table that keeps no history.
 */
export function historyObjects(table: Table, now: Date): readonly DdlObject[] {
  if (table.history === undefined) return [];
  const names = historyNames(table);
  return [
    { kind: "table", identity: names.table, create: createHistorySql(table, names) },
    {
      kind: "table",
      identity: names.defaultPartition,
      create: `create table if not exists ${names.defaultPartition} partition of ${names.table} default`,
    },
    ...monthsToKeep(table, now).map((month) => monthObject(names, month)),
    ...changeTriggerObjects(table, {
      name: "history",
      done: "kept",
      variables: "patches jsonb[]",
      statementOf: (change) => {
        const record = recordSql(table, names, change);
        return change === "update"
          ? `patches := quartet.row_patches(old.pb, new.pb);\n    ${record}`
          : record;
      },
    }),
    { kind: "function", identity: `${names.asOf}(timestamptz)`, create: createAsOfSql(table, names) },
  ];
}

/** Not those that `quartet prune` would drop again. */
function monthsToKeep(table: Table, now: Date): readonly Month[] {
  const seconds = table.history?.retentionSeconds;
  if (seconds === undefined) return monthsAround(now);
  return monthsAround(now).filter((month) => month.to.getTime() > now.getTime() - Number(seconds) * 1_000);
}

function monthObject(names: HistoryNames, { suffix, from, to }: Month): DdlObject {
  const partition = names.partition(suffix);
  const create = createMonthSql(names.table, partition, [
    quoteLiteral(from.toISOString()),
    quoteLiteral(to.toISOString()),
  ]);
  return { kind: "table", identity: partition, create };
}

/**
 * One index serves a row's changes in order and is the primary key at once: every further one is a cost to each write.
 * The order is `place`'s: numbers are given while the row is locked, so they rise per key even where a clock is set back.
 */
function createHistorySql(table: Table, names: HistoryNames): string {
  const { column } = names;
  const keys = table.key.map(({ name }) => quoteIdentifier(name));
  const lines = [
    ...table.key.map(({ name, sqlType }) => `${quoteIdentifier(name)} ${sqlType} not null`),
    "version bigint not null",
    `${column.version_before} bigint`,
    `${column.operation} text not null`,
    `${column.changed_at} timestamptz not null`,
    `${column.login} text not null`,
    `${column.principal} text`,
    `${column.operation_id} text`,
    `${column.patch} jsonb`,
    `${column.undo} jsonb`,
    `${column.place} bigint generated always as identity`,
    `primary key (${[...keys, column.place, column.changed_at].join(", ")})`,
  ];
  return (
    `create table if not exists ${names.table} (\n  ${lines.join(",\n  ")}\n) ` +
    `partition by range (${column.changed_at})`
  );
}

function recordSql(table: Table, { table: history, column }: HistoryNames, change: Change): string {
  const row = change === "delete" ? "old" : "new";
  const columns = [
    ...table.key.map(({ name }) => quoteIdentifier(name)),
    "version",
    ...[column.version_before, column.operation, column.changed_at, column.login],
    ...[column.principal, column.operation_id, column.patch, column.undo],
  ];
  const values = [
    ...table.key.map(({ name }) => `${row}.${quoteIdentifier(name)}`),
    `${row}.version`,
    change === "insert" ? "null" : "old.version",
    quoteLiteral(change),
    "clock_timestamp()",
    "session_user",
    "nullif(current_setting('quartet.principal', true), '')",
    "nullif(current_setting('quartet.operation_id', true), '')",
    ...patches[change],
  ];
  return `insert into ${history} (${columns.join(", ")})\n    values (${values.join(", ")})`;
}

type Change = "insert" | "update" | "delete";

/** What the change set, and what undoes it. Null: there is no row then. */
const patches: Readonly<Record<Change, readonly [string, string]>> = {
  insert: [wholeRow("new.pb"), "null"],
  update: ["patches[1]", "patches[2]"],
  delete: ["null", wholeRow("old.pb")],
};

function wholeRow(pb: string): string {
  return `jsonb_build_object('set', ${pb}, 'unset', '[]'::jsonb)`;
}

/**
 * Every row as it was at an instant: the rows of today with all later changes undone, newest first; those deleted since
 * are there, those inserted since are not. An instant is one of the changes' clock: within a transaction that changed
 * several rows it shows the first of them changed and the others not yet.
 *
 * Changes made before the history was switched on are not known: earlier instants show the rows as it found them.
 *
 * Each statement has a newer snapshot than the lock, so that a month cannot be dropped between the check and the read.
 * Its arguments have no names, which a key column could have too.
 */
function createAsOfSql(table: Table, { table: history, asOf, column }: HistoryNames): string {
  const keys = table.key.map(({ name }) => quoteIdentifier(name));
  const outputs = ["pb jsonb", "version bigint", ...table.key.map((key, i) => `${keys[i]} ${key.sqlType}`)];
  const of = (alias: string) => keys.map((key) => `${alias}.${key}`).join(", ");
  const same = keys.map((key) => `live.${key} = changed.${key}`).join(" and ");
  const body = `
#variable_conflict use_column
declare since timestamptz;
begin
  lock table ${history} in access share mode;
  select horizon into since from quartet.history_horizon where table_name = ${quoteLiteral(table.name)};
  if $1 < since then
    raise exception 'the history of ${table.name.replaceAll("'", "''").replaceAll("%", "%%")} is kept since %', since
      using errcode = 'datetime_field_overflow';
  end if;
  return query
  with changed as materialized (
    select ${of("change")}, array_agg(change.${column.undo} order by change.${column.place} desc) as undos,
      (array_agg(change.${column.version_before} order by change.${column.place}))[1] as version
    from ${history} as change where change.${column.changed_at} > $1 group by ${of("change")}
  )
  select live.pb, live.version, ${of("live")} from ${table.sqlName} as live
  where not exists (select from changed where ${same})
  union all
  select quartet.roll_back(live.pb, changed.undos), changed.version, ${of("changed")}
  from changed left join ${table.sqlName} as live on ${same} where changed.version is not null;
end
`;
  return `create or replace function ${asOf}(timestamptz) returns table (${outputs.join(", ")})
language plpgsql volatile set search_path = pg_catalog, pg_temp as ${quoteBody(body)}`;
}
